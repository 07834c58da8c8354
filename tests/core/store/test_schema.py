"""Migrations: the same tables on both databases, both ways, and a refusal of what is newer."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from core.errors import StoreError
from core.store.database import Store
from core.store.schema import migrate, open_store
from core.store.tables import metadata


def test_the_migrations_make_exactly_the_tables_of_the_code(store: Store) -> None:
    with store.read() as tx:
        assert compare_metadata(MigrationContext.configure(tx.connection), metadata) == []


def test_opening_a_second_time_changes_nothing(store: Store) -> None:
    migrate(store)
    with store.read() as tx:
        assert tx.value("SELECT count(*) FROM alembic_version") == 1


def test_a_schema_newer_than_the_code_is_refused_with_a_cure(store: Store, store_url: str) -> None:
    with store.write() as tx:
        tx.run("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match=r"schema 9999.*install the version"):
        open_store(store_url)


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        ("INSERT INTO items(sku, on_hand, reserved) VALUES ('A', 1, 2)", "nothing_sold_twice"),
        ("INSERT INTO items(sku, on_hand) VALUES ('A', -1)", "ck_items"),
        ("INSERT INTO channels(name, received) VALUES ('x', 1)", "nothing_dropped"),
    ],
)
def test_illegal_states_cannot_be_stored(store: Store, statement: str, constraint: str) -> None:
    with pytest.raises(sa.exc.IntegrityError, match=constraint), store.write() as tx:
        tx.run(statement)


def test_a_refused_row_is_not_told(store: Store) -> None:
    with pytest.raises(sa.exc.IntegrityError) as told, store.write() as tx:
        tx.run("INSERT INTO buyers (order_id, name) VALUES (999, 'Ada Lovelace')")
    assert "Lovelace" not in str(told.value).partition("[SQL")[0]
