"""Writing what the database itself would refuse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from core.store.database import Store, Tx


@contextmanager
def corrupting(store: Store) -> Iterator[Tx]:
    """A transaction in which CHECK constraints hold nobody back."""
    with store.engine.connect() as connection:
        tx = Tx(connection.execution_options(ordersync_write=True))
        if store.sqlite:
            tx.run("PRAGMA ignore_check_constraints = ON")
        else:
            for row in tx.rows(
                "SELECT conrelid::regclass AS owner, conname FROM pg_constraint WHERE contype = 'c'"
                " AND connamespace = 'public'::regnamespace"
            ):
                tx.run(f'ALTER TABLE {row.owner} DROP CONSTRAINT "{row.conname}"')
        yield tx
        connection.commit()
        if store.sqlite:
            tx.run("PRAGMA ignore_check_constraints = OFF")
