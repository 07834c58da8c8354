"""The schema's version: brings a database up to date, and refuses one that is newer than this program."""

from __future__ import annotations

from importlib.resources import files

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from core.errors import StoreError
from core.store.database import Store, connect


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
    config = _config()
    with store.write() as tx:
        if not tx.sqlite:  # two processes starting at once migrate one after the other
            tx.connection.execute(sa.text("SELECT pg_advisory_xact_lock(7165938)"))
        config.attributes["connection"] = tx.connection
        command.upgrade(config, revision)


def downgrade(store: Store, revision: str) -> None:
    """Takes the schema back to an older revision; what only the newer one can hold is lost."""
    config = _config()
    with store.write() as tx:
        config.attributes["connection"] = tx.connection
        command.downgrade(config, revision)


def is_current(store: Store) -> bool:
    """Whether the database has this version's schema; changes nothing.

    Raises `StoreError` when it cannot be reached or was written by a newer version of ordersync.
    """
    script = ScriptDirectory.from_config(_config())
    with store.read() as tx:
        present = MigrationContext.configure(tx.connection).get_current_revision()
    if present is not None and present not in {found.revision for found in script.walk_revisions()}:
        raise StoreError(
            f"the store has schema {present}, which this version of ordersync does not know; "
            "install the version that wrote it, or a newer one"
        )
    return bool(present == script.get_current_head())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("core.store") / "migrations"))
    return config
