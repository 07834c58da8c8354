"""Items that may be sold although they are not there: pre-orders until a date, and backorders up to a cap."""

from __future__ import annotations

from typing import Any

import msgspec

from core.errors import UserError
from core.model import MAX_QUANTITY, instant
from core.store import tables
from core.store.database import Store, Tx
from core.store.moves import touch
from core.sync.ahead import reckon, waiting
from core.sync.stock_asked import Ask, check_ask, known_items
from core.sync.work import poke


class Presale(msgspec.Struct, frozen=True):
    """One item that may be sold ahead."""

    sku: str
    kind: str
    """preorder or backorder."""
    until: int | None
    """Of a pre-order: when it is over (microseconds since 1970 UTC)."""
    cap: int | None
    ships: str
    """Of a pre-order: `date`, or `stock`: as soon as its units are there."""
    promised: int
    """Units of it that are promised to orders or wait for stock."""
    ahead: int
    """Units offered beside what is free; below zero: fewer than are free."""


def preorder(
    store: Store, sku: str, until: int, now: int, *, cap: int | None = None, ships: str = "date", title: str = "",
    actor: str = "operator",
) -> Presale:  # fmt: skip
    """`sku` is sold before it is there, until an instant; an unknown SKU becomes an item. Said again, it is replaced.

    Raises `UserError` for an instant that is past and for a kit.
    """
    if until <= now:
        raise UserError(f"{instant(until):%Y-%m-%d %H:%M}Z is past; a pre-order ends later than now")
    return _open(store, sku, "preorder", until, cap, ships, title, actor, now)


def backorder(store: Store, sku: str, cap: int, now: int, *, actor: str = "operator") -> Presale:
    """Up to `cap` units of `sku` are sold beside what is there. Said again, it is replaced."""
    return _open(store, sku, "backorder", None, cap, "stock", "", actor, now)


def _open(
    store: Store,
    sku: str,
    kind: str,
    until: int | None,
    cap: int | None,
    ships: str,
    title: str,
    actor: str,
    now: int,
) -> Presale:
    if cap is not None and not 0 <= cap <= MAX_QUANTITY:
        raise UserError(f"{cap} is no cap; write a whole number from 0 to {MAX_QUANTITY}")
    # A pre-order may be of an item nobody has had yet; what is backordered is known.
    ask = Ask(kind="receive" if kind == "preorder" else "count", sku=sku, location="", units=0, title=title)
    check_ask(ask)

    def work(tx: Tx) -> tuple[Presale, list[int]]:
        item = known_items(tx, [ask])[sku]
        tx.rows("SELECT id FROM items WHERE id = :id /*lock*/", id=item)
        was = tx.row("SELECT * FROM presales WHERE item_id = :id", id=item)
        since = was.since if was is not None and was.kind == kind else now
        tx.insert(
            tables.presales,
            ("item_id", "kind", "until", "cap", "ships", "by", "since"),
            [(item, kind, until, cap, ships, actor, since)],
            "ON CONFLICT (item_id) DO UPDATE SET kind = excluded.kind, until = excluded.until, cap = excluded.cap,"
            ' ships = excluded.ships, "by" = excluded."by", since = excluded.since',
        )
        _audit(tx, sku, kind, until, cap, ships, actor, now)
        touch(tx, [item])
        return _shown(tx, sku)[0], _channels(tx)

    found, channels = store.transact(work)
    poke(store, channels)
    return found


def end(store: Store, sku: str, kind: str, now: int, *, actor: str = "operator") -> None:
    """Nothing of `sku` is sold ahead any more; its orders are held no longer, and wait for stock like any other.

    Raises `UserError` where nothing of that kind is open.
    """

    def work(tx: Tx) -> list[int]:
        row = tx.row(
            "SELECT i.id FROM presales p JOIN items i ON i.id = p.item_id WHERE i.sku = :sku AND p.kind = :kind",
            sku=sku,
            kind=kind,
        )
        if row is None:
            raise UserError(f"no {kind} of {sku!r} is open; see `ordersync stock ahead`")
        _close(tx, [row.id])
        _audit(tx, sku, kind, None, None, "", actor, now)
        return _channels(tx)

    poke(store, store.transact(work))


def end_due(store: Store, now: int) -> int:
    """Ends the pre-orders whose day has come; returns how many."""
    due = "SELECT i.id, i.sku FROM presales p JOIN items i ON i.id = p.item_id WHERE p.until <= :now ORDER BY i.id"
    with store.read() as tx:
        if not tx.rows(due, now=now):
            return 0

    def work(tx: Tx) -> int:
        tx.rows("SELECT id FROM items WHERE id IN :ids ORDER BY id /*lock*/", ids=[r.id for r in tx.rows(due, now=now)])
        rows = tx.rows(due, now=now)
        _close(tx, [row.id for row in rows])
        for row in rows:
            _audit(tx, row.sku, "preorder", None, None, "", "ordersync", now)
        return len(rows)

    return store.transact(work)


def shown(store: Store) -> list[Presale]:
    """All that may be sold ahead."""
    with store.read() as tx:
        return _shown(tx)


def _shown(tx: Tx, sku: str = "") -> list[Presale]:
    rows = tx.rows(
        "SELECT p.*, i.sku, i.reserved FROM presales p JOIN items i ON i.id = p.item_id"
        " WHERE :sku = '' OR i.sku = :sku ORDER BY i.sku",
        sku=sku,
    )
    ids = [row.item_id for row in rows]
    ahead, waits = reckon(tx, ids), waiting(tx, ids)
    return [
        Presale(
            row.sku, row.kind, row.until, row.cap, row.ships, row.reserved + waits.get(row.item_id, 0),
            ahead[row.item_id],
        )
        for row in rows
    ]  # fmt: skip


def _close(tx: Tx, items: list[int]) -> None:
    tx.run("DELETE FROM presales WHERE item_id IN :ids", ids=items)
    touch(tx, items)


def _channels(tx: Tx) -> list[int]:
    return [row.id for row in tx.rows("SELECT id FROM channels ORDER BY id")]


def _audit(tx: Tx, sku: str, kind: str, until: int | None, cap: int | None, ships: str, actor: str, now: int) -> None:
    told = [f"until {instant(until):%Y-%m-%d %H:%M}Z"] if until is not None else []
    told += [f"at most {cap}"] if cap is not None else []
    told += [f"ships by {ships}"] if ships and kind == "preorder" else []
    event = f"{kind} opened" if ships else f"{kind} ended"
    detail: Any = f"{sku}: {', '.join(told)}" if told else sku
    tx.insert(tables.audit, ("at", "actor", "event", "detail"), [(now, actor, event, detail)])
