"""Migrations: the same tables on both databases, both ways, and a refusal of what is newer."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from core.errors import StoreError
from core.store.database import Store
from core.store.schema import _config, downgrade, migrate, open_store, revisions
from core.store.tables import metadata


def test_the_migrations_make_exactly_the_tables_of_the_code(store: Store) -> None:
    with store.read() as tx:
        assert compare_metadata(MigrationContext.configure(tx.connection), metadata) == []


def test_the_migrations_make_exactly_the_checks_of_the_code(store: Store) -> None:
    """Alembic's comparison does not look at them."""
    coded = {
        table.name: {str(one.name) for one in table.constraints if isinstance(one, sa.CheckConstraint)}
        for table in metadata.sorted_tables
    }
    asked = sa.inspect(store.engine)
    stored = {name: {str(one["name"]) for one in asked.get_check_constraints(name)} for name in coded}
    assert stored == coded


@pytest.mark.parametrize("revision", ["0001"])
def test_migrating_down_and_up_again_keeps_the_rows(store: Store, revision: str) -> None:
    said = "a, (b) 'c'"
    with store.write() as tx:
        tx.run("INSERT INTO channels (name, connector) VALUES ('shop', 'sandbox')")
        tx.run(
            "INSERT INTO requests (channel_id, kind, argument) SELECT id, k, '{}' FROM channels,"
            " (SELECT 'orders' AS k UNION SELECT 'reconcile') AS kinds"
        )
        tx.run(
            "INSERT INTO quarantine (channel_id, digest, body, reason) SELECT id, :b, :b, :said FROM channels",
            b=b"x",
            said=said,
        )
    downgrade(store, revision)
    with store.read() as tx:
        assert not sa.inspect(tx.connection).has_table("reconciliations")
        assert [row.kind for row in tx.rows("SELECT kind FROM requests")] == ["orders"]
    migrate(store)
    with store.read() as tx:
        assert compare_metadata(MigrationContext.configure(tx.connection), metadata) == []
        assert tuple(tx.row("SELECT kind, reason, body FROM quarantine")) == ("order", said, b"x")
    with pytest.raises(sa.exc.IntegrityError, match="ck_requests_kind"), store.write() as tx:
        tx.run("UPDATE requests SET kind = 'nonsense'")
    with store.write() as tx:
        tx.run("UPDATE requests SET kind = 'reconcile'")


def test_the_versions_are_those_of_the_migrations_in_their_order() -> None:
    """They are read off the files' names, without alembic."""
    script = ScriptDirectory.from_config(_config())
    assert revisions() == [found.revision for found in reversed(list(script.walk_revisions()))]
    assert revisions()[-1] == script.get_current_head()


def test_an_outbox_of_before_cancellations_is_kept_both_ways(store: Store) -> None:
    with store.write() as tx:
        tx.run("INSERT INTO channels (name, connector) VALUES ('shop', 'sandbox')")
        tx.run(
            "INSERT INTO orders (channel_id, number, digest, priced, acknowledged, test)"
            " SELECT id, '1', :b, true, true, false FROM channels",
            b=b"x",
        )
        tx.run(
            "INSERT INTO lines (order_id, number, ordered, cancelled, cancelling) SELECT id, '1', 2, 2, 1 FROM orders"
        )
        for kind, state in (("acknowledge", "confirmed"), ("tracking", "unknown"), ("cancel", "queued")):
            tx.run(
                "INSERT INTO pushes (channel_id, kind, key, order_id, state)"
                " SELECT channel_id, :kind, :kind, id, :state FROM orders",
                kind=kind,
                state=state,
            )
        tx.run("INSERT INTO refunds (order_id, number, amount) SELECT id, 'R1', 1 FROM orders")
    downgrade(store, "0003")
    migrate(store)
    with store.read() as tx:
        assert [tuple(row) for row in tx.rows("SELECT kind, state, generation, argument FROM pushes ORDER BY id")] == [
            ("acknowledge", "confirmed", 1, ""),
            ("tracking", "unknown", 1, ""),
        ]
        assert tuple(tx.row("SELECT cancelled, cancelling FROM lines")) == (2, 0)
        assert tx.value("SELECT count(*) FROM refunds") == 0
    for statement in (
        "UPDATE lines SET cancelling = 3",
        "UPDATE lines SET cancelling = -1",
        "UPDATE pushes SET kind = 'nonsense'",
        "UPDATE pushes SET state = 'nonsense'",
        "UPDATE pushes SET generation = 0",
        "INSERT INTO refunds (order_id, number, amount) SELECT id, 'R1', 0 FROM orders",
    ):
        with pytest.raises(sa.exc.IntegrityError), store.write() as tx:
            tx.run(statement)


def test_rejected_work_of_before_is_cancelled_work(store: Store) -> None:
    """The state's CHECK is reworded where lines of the work refer to it."""
    with store.write() as tx:
        tx.run("INSERT INTO channels (name, connector) VALUES ('shop', 'sandbox')")
        tx.run(
            "INSERT INTO orders (channel_id, number, digest, priced, acknowledged, test)"
            " SELECT id, '1', :b, true, true, false FROM channels",
            b=b"x",
        )
        tx.run("INSERT INTO lines (order_id, number, ordered, backordered) SELECT id, '1', 2, 2 FROM orders")
        tx.run("INSERT INTO locations (name) VALUES ('east')")
        for state in ("planned", "rejected"):
            tx.run(
                "INSERT INTO fulfilment_orders (order_id, location_id, state)"
                " SELECT o.id, p.id, :state FROM orders o, locations p",
                state=state,
            )
        tx.run(
            "INSERT INTO fulfilment_lines (fulfilment_order_id, line_id, quantity)"
            " SELECT f.id, l.id, 1 FROM fulfilment_orders f, lines l"
        )
    downgrade(store, "0011")
    with pytest.raises(sa.exc.IntegrityError, match="ck_fulfilment_orders_state"), store.write() as tx:
        tx.run("UPDATE fulfilment_orders SET state = 'rejected'")
    migrate(store)
    with store.read() as tx:
        assert [row.state for row in tx.rows("SELECT state FROM fulfilment_orders ORDER BY id")] == [
            "planned",
            "cancelled",
        ]
        assert tx.value("SELECT count(*) FROM fulfilment_lines") == 2
    with store.write() as tx:
        tx.run("UPDATE fulfilment_orders SET state = 'rejected'")
    with pytest.raises(sa.exc.IntegrityError, match="ck_fulfilment_orders_state"), store.write() as tx:
        tx.run("UPDATE fulfilment_orders SET state = 'nonsense'")


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
        ("INSERT INTO backfills(channel_id, since, until) VALUES (1, 2, 2)", "since_before_until"),
    ],
)
def test_illegal_states_cannot_be_stored(store: Store, statement: str, constraint: str) -> None:
    with pytest.raises(sa.exc.IntegrityError, match=constraint), store.write() as tx:
        tx.run(statement)


def test_a_refused_row_is_not_told(store: Store) -> None:
    with pytest.raises(sa.exc.IntegrityError) as told, store.write() as tx:
        tx.run("INSERT INTO buyers (order_id, name) VALUES (999, 'Ada Lovelace')")
    assert "Lovelace" not in str(told.value).partition("[SQL")[0]
