"""Level rules of single listings: what is kept back of one SKU at one channel, whatever the channel's rules say."""

from __future__ import annotations

from typing import Any

import msgspec

from core.errors import UserError
from core.levels import Own
from core.model import MAX_QUANTITY
from core.store import tables
from core.store.database import Store, Tx
from core.store.moves import touch
from core.sync.work import poke

KEPT = Own(buffer=-1, cap=-1, percent=-1)
"""Marks what a change leaves as it is."""


def set_rule(
    store: Store,
    channel_id: int,
    sku: str,
    now: int,
    *,
    buffer: int | None = KEPT.buffer,
    cap: int | None = KEPT.cap,
    percent: int | None = KEPT.percent,
    stopped: bool | None = None,
    actor: str = "operator",
) -> Own:
    """Changes a listing's own rules; returns what it has now. None is the channel's rule again.

    Its level is computed anew in the channel's next turn. Raises `UserError` for a listing the channel does not have,
    and for numbers that are no rule.
    """
    for name, value, least, most in (
        ("buffer", buffer, 0, MAX_QUANTITY),
        ("cap", cap, 0, MAX_QUANTITY),
        ("percent", percent, 1, 100),
    ):
        if value is not None and value != -1 and not least <= value <= most:
            raise UserError(f"a {name} of {value}: write a whole number from {least} to {most}")

    def work(tx: Tx) -> Own:
        tx.run("SELECT id FROM channels WHERE id = :id /*lock*/", id=channel_id)
        row = tx.row("SELECT * FROM listings WHERE channel_id = :channel AND sku = :sku", channel=channel_id, sku=sku)
        if row is None:
            raise UserError(f"the channel lists no {sku}; see `ordersync listings list`, or map it first")
        own = Own(
            row.buffer if buffer == -1 else buffer,
            row.cap if cap == -1 else cap,
            row.percent if percent == -1 else percent,
            bool(row.stopped) if stopped is None else stopped,
        )
        if own != own_of(row):
            tx.update(tables.listings, ("id",), ("buffer", "cap", "percent", "stopped"), [
                (row.id, own.buffer, own.cap, own.percent, own.stopped)
            ])  # fmt: skip
            said = f"{sku}: {told(own) or 'the rules of its channel'}"
            columns = ("at", "actor", "channel_id", "order_id", "event", "detail")
            tx.insert(tables.audit, columns, [(now, actor, channel_id, None, "level rule", said)])
            touch(tx, [row.item_id] if row.item_id is not None else [])
        return own

    found = store.transact(work)
    poke(store, [channel_id])
    return found


def own_of(row: Any) -> Own:
    """A listing's own rules, of its row."""
    return Own(row.buffer, row.cap, row.percent, bool(row.stopped))


def told(own: Own) -> str:
    """A listing's own rules for people; empty where it has none."""
    named = {
        name: value for name, value in msgspec.structs.asdict(own).items() if name != "stopped" and value is not None
    }
    said = [f"{name} {value}" for name, value in named.items()]
    return ", ".join(["stopped", *said] if own.stopped else said)
