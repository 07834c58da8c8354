"""Money that buyers have back, as their channel shows it, and which of our own refunds that was."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from core.model import Order, Refund, Refunded, micros
from core.store import tables
from core.store.database import Tx
from core.sync.rows import millionths
from core.sync.said import amount_of, decoded, numbers_in

_COLUMNS = ("order_id", "number", "at", "amount", "lines", "origin", "push_id")


def write_refunds(tx: Tx, orders: Iterable[tuple[int, Order]]) -> None:
    """Keeps what orders (by their ids) show of refunds; what is known already is brought up to date."""
    rows = [
        (id, one.number, micros(one.at), millionths(one.amount), _units(one), "channel", None)
        for id, order in orders
        for one in order.refunds
    ]
    tx.insert(
        tables.refunds,
        _COLUMNS,
        rows,
        "ON CONFLICT (order_id, number) DO UPDATE SET at = excluded.at, amount = excluded.amount,"
        # A channel that does not say of which units it was leaves what was decided here standing.
        " lines = CASE WHEN excluded.lines = '{}' THEN refunds.lines ELSE excluded.lines END",
    )


def _units(one: Refunded) -> str:
    return msgspec.json.encode(one.lines).decode()


def book_given(tx: Tx, given: Sequence[tuple[int, str]], now: int) -> None:
    """Refunds of ours the channel has just given, by push and ticket; other pushes are skipped.

    One that the channel shows as several stands under the first of its numbers until the order is read again.
    """
    if not given:
        return
    numbers = dict(given)
    rows = []
    for row in tx.rows(
        "SELECT id, order_id, argument FROM pushes WHERE id IN :ids AND kind = 'refund' ORDER BY id", ids=list(numbers)
    ):
        refund = decoded(row.argument, Refund)
        units = {line: one.quantity for line, one in refund.lines.items() if one.quantity}
        amount = millionths(amount_of(refund))
        lines = msgspec.json.encode(units).decode()
        rows.append((row.order_id, numbers_in(numbers[row.id])[0], now, amount, lines, "ours", row.id))
    tx.insert(
        tables.refunds,
        _COLUMNS,
        rows,
        "ON CONFLICT (order_id, number) DO UPDATE SET origin = 'ours', push_id = excluded.push_id"
        " WHERE refunds.push_id IS NULL",
    )


def match(tx: Tx, orders: Sequence[tuple[int, Order]], pushes: Sequence[Any]) -> list[int]:
    """Which of these refund pushes the orders show as done, by id; the refunds they became are marked as ours.

    By the number the channel gave; where none came back, by the amount, among those nobody knew of when it was sent.
    """
    numbers = {id: {one.number for one in order.refunds} for id, order in orders}
    shown: defaultdict[int, list[Any]] = defaultdict(list)
    for row in tx.rows("SELECT * FROM refunds WHERE order_id IN :ids ORDER BY id", ids=list(numbers)):
        if row.number in numbers[row.order_id]:
            shown[row.order_id].append(row)
    done: list[int] = []
    ours: dict[int, int | None] = {}
    for push in pushes:
        refund = decoded(push.argument, Refund)
        for row in shown[push.order_id]:
            free = row.push_id is None and row.id not in ours and push.digest is not None and not push.ticket
            alike = row.number not in refund.known and row.amount == millionths(amount_of(refund))
            if row.push_id == push.id or (free and alike):
                done.append(push.id)
                if row.push_id is None:
                    ours[row.id] = push.id
                ours |= {other.id: None for other in _beside(row, push.ticket, shown[push.order_id])}
                break
    tx.update(tables.refunds, ("id",), ("origin", "push_id"), [(id, "ours", push) for id, push in ours.items()])
    return done


def _beside(first: Any, ticket: str, rows: Sequence[Any]) -> list[Any]:
    """The further refunds that one push became, where the channel shows one as several."""
    numbers = numbers_in(ticket)
    return [row for row in rows if row.number in numbers and row.id != first.id and row.push_id is None]
