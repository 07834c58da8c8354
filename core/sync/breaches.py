"""What the last verification found, kept for the inbox until one finds it no more."""

from __future__ import annotations

from collections.abc import Sequence

from core.store import tables
from core.store.database import Store, Tx
from core.sync.observe import clean
from core.sync.verify_breach import Breach


def keep_breaches(store: Store, found: Sequence[Breach], now: int) -> None:
    """Replaces what was found before; a breach that is still there keeps the instant it was first found."""
    rows = {(one.name, clean(one.subject)): one for one in found}

    def work(tx: Tx) -> None:
        since = {(row.name, row.subject): row.since for row in tx.rows("SELECT name, subject, since FROM breaches")}
        tx.run("DELETE FROM breaches")
        tx.insert(
            tables.breaches,
            ("name", "subject", "wrong", "cure", "order_id", "since"),
            [
                (*key, clean(one.wrong), clean(one.cure), one.order_id, since.get(key, now))
                for key, one in sorted(rows.items())
            ],
        )

    with store.read() as tx:
        if not rows and tx.row("SELECT 1 FROM breaches") is None:
            return
    store.transact(work)
