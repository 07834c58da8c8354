"""The inbox looks through what is open or wrong, never through all there ever was."""

from __future__ import annotations

import re

import pytest

from core.settings import ChannelSettings, IssuesSettings
from core.store.database import Store
from core.sync.issues import KINDS, View
from core.sync.issues.issue import Query

LARGE = {"orders", "lines", "pushes", "audit", "shipments", "levels", "documents", "ledger", "buyers"}
"""Tables that grow with every order."""

QUERIES = [kind for kind in KINDS if isinstance(kind, Query)]


def scanned(store: Store, kind: Query) -> set[str]:
    """The large tables that SQLite would read from end to end."""
    view = View(1, IssuesSettings(), {"shop": ChannelSettings(connector="sandbox")})
    sql = kind.sql if isinstance(kind.sql, str) else kind.sql(view)
    named = {alias: table for table, alias in re.findall(r"(?:FROM|JOIN) (\w+) (?:AS )?(\w+)", sql)}
    with store.read() as tx:
        rows = tx.rows(f"EXPLAIN QUERY PLAN SELECT count(*) FROM ({sql}) AS q", **view.params())
    whole = [
        found[1] for row in rows if (found := re.match(r"SCAN (\w+)(?: USING COVERING INDEX sqlite_\w+)?$", row[3]))
    ]
    return {named.get(alias, alias) for alias in whole} & LARGE


@pytest.mark.parametrize("kind", QUERIES, ids=lambda kind: kind.name)
def test_no_kind_reads_a_large_table_whole(sqlite_store: Store, kind: Query) -> None:
    assert scanned(sqlite_store, kind) == set()


def test_one_that_did_would_be_seen(sqlite_store: Store) -> None:
    sql = "SELECT o.id AS key FROM orders o JOIN lines l ON l.order_id = o.id WHERE l.shipped > 3"
    assert scanned(sqlite_store, Query(name="bad", means="", sql=sql, tell=lambda tx, rows: iter(()))) == {"lines"}


def test_what_was_counted_since_is_found_by_it(store: Store) -> None:
    """Else each order that left without stock would have all that ever moved of its items read."""
    (kind,) = (kind for kind in QUERIES if kind.name == "shipped_unstocked")
    with store.write() as tx:
        if not store.sqlite:
            for what in ("seqscan", "bitmapscan"):  # of empty tables it would read everything
                tx.run(f"SET LOCAL enable_{what} = off")
        view = View(1, IssuesSettings(), {"shop": ChannelSettings(connector="sandbox")})
        words = "EXPLAIN QUERY PLAN" if store.sqlite else "EXPLAIN"
        rows = tx.rows(f"{words} SELECT count(*) FROM ({kind.sql}) AS q", **view.params())
    assert "ix_ledger_counted" in " ".join(str(row[-1]) for row in rows)
