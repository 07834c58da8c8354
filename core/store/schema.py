"""The schema's version: brings a database up to date, and refuses one that is newer than this program.

Alembic is loaded only where something is to be migrated: each command opens a store, and almost none migrates one.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

import sqlalchemy as sa

from core.errors import StoreError
from core.store.database import Store, connect

if TYPE_CHECKING:
    from alembic.config import Config

_MIGRATIONS = files("core.store") / "migrations"


def open_store(url: str | sa.URL) -> Store:
    """The store at `url`, created or migrated as needed.

    Raises `StoreError` when it cannot be reached or was written by a newer version of ordersync.
    """
    store = Store(connect(url))
    try:
        migrate(store)
    except BaseException:
        store.close()
        raise
    return store


def migrate(store: Store, revision: str = "head") -> None:
    """Runs the missing migrations in one transaction; does nothing on a database that is up to date."""
    if is_current(store) and revision == "head":
        return
    from alembic import command

    config = _config()
    with store.write() as tx:
        if not tx.sqlite:  # two processes starting at once migrate one after the other
            tx.connection.execute(sa.text("SELECT pg_advisory_xact_lock(7165938)"))
        config.attributes["connection"] = tx.connection
        command.upgrade(config, revision)


def downgrade(store: Store, revision: str) -> None:
    """Takes the schema back to an older revision; what only the newer one can hold is lost."""
    from alembic import command

    config = _config()
    with store.write() as tx:
        config.attributes["connection"] = tx.connection
        command.downgrade(config, revision)


def is_current(store: Store) -> bool:
    """Whether the database has this version's schema; changes nothing.

    Raises `StoreError` when it cannot be reached or was written by a newer version of ordersync.
    """
    known = revisions()
    with store.read() as tx:
        made = sa.inspect(tx.connection).has_table("alembic_version")
        present = tx.value("SELECT version_num FROM alembic_version") if made else None
    if present is not None and present not in known:
        raise StoreError(
            f"the store has schema {present}, which this version of ordersync does not know; "
            "install the version that wrote it, or a newer one"
        )
    return bool(present == known[-1])


def revisions() -> list[str]:
    """The schema's versions, the oldest first: the numbers that the migrations' files begin with."""
    names = (file.name for file in (_MIGRATIONS / "versions").iterdir())
    return sorted(name.partition("_")[0] for name in names if name[:4].isdigit())


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config
