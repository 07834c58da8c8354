"""Money given back to a buyer, as somebody decides it here: never more than was paid less what was given back already.

A refund is about money alone. It moves no stock and cancels nothing: units that will not ship are cancelled, units that
come back are a return.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Any

import msgspec

from core.errors import UserError
from core.model import ZERO, Refund, RefundLine, RefundReason
from core.store import tables
from core.store.database import Store, Tx
from core.sync.said import amount_of, decoded, encoded
from core.sync.work import poke

_PLACES = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV"), 0),
    **dict.fromkeys(("XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
"""Decimals of the currencies that have not two (ISO 4217)."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked to be given back for one SKU or line."""

    units: int
    """0: money without units."""
    amount: Decimal | None = None
    """Before tax; its share of the tax comes on top. None: what the units cost."""


@dataclass(frozen=True)
class Wish:
    """Somebody wants money given back."""

    order_id: int
    reason: RefundReason
    parts: Mapping[str, Part] | None = None
    """By SKU or line number."""
    shipping: Decimal | None = None
    """Of the shipping charge, tax included. Neither parts nor shipping: all that is left of what was paid."""
    rma: str = ""
    note: str = ""
    notify: bool = True
    reference: str = ""
    """The decider's own: the same one of the same order is decided once, however often given."""
    actor: str = "operator"


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """What a wish comes to."""

    lines: Mapping[str, RefundLine]
    """By line number."""
    skus: Mapping[str, str]
    """By line number."""
    shipping: Decimal
    amount: Decimal
    """All that the buyer gets, taxes included."""
    currency: str
    paid: Decimal
    refunded: Decimal
    """What the buyer has back already, or is on its way."""
    push: int | None = None
    """The push that tells the channel, once it is decided."""
    new: bool = True
    """False: the same reference was decided before."""


def quote(store: Store, wish: Wish) -> Quote:
    """What a refund would come to; changes nothing. Raises `UserError` where it cannot be given."""
    with store.read() as tx:
        return _quote(tx, wish)[1]


def refund(
    store: Store,
    wish: Wish,
    now: int,
    *,
    expected: Decimal | None = None,
    also: Callable[[Tx, int], None] = lambda tx, push: None,
) -> Quote:
    """Decides a refund and makes it due at its channel.

    `expected`: the amount that was agreed to; where the order has changed meanwhile so that another would be given,
    nothing is. `also`: what is to be written with it, given its push; what it raises undoes the refund. Raises
    `UserError` as `quote` does.
    """
    decided, channel_id = store.transact(lambda tx: _decide(tx, wish, expected, also, now))
    if decided.new:
        poke(store, [channel_id])
    return decided


def _decide(
    tx: Tx, wish: Wish, expected: Decimal | None, also: Callable[[Tx, int], None], now: int
) -> tuple[Quote, int]:
    order, quoted = _quote(tx, wish, lock="/*lock*/")
    if not quoted.new:
        return quoted, order.channel_id
    if expected is not None and quoted.amount != expected:
        raise UserError(f"order {order.name} has changed: {quoted.amount} would be given now; look again")
    push_id = tx.ids(tables.pushes, 1)[0]
    words = Refund(
        key=f"refund:{push_id}",
        order=order.number,
        lines=quoted.lines,
        currency=order.currency,
        shipping=quoted.shipping,
        reason=wish.reason,
        known=known_refunds(tx, order.id),
        rma=wish.rma,
        notify=wish.notify,
        note=wish.note,
    )
    key = _key(wish) or f"id:{push_id}"
    tx.insert(
        tables.pushes,
        ("id", "channel_id", "kind", "key", "order_id", "argument", "due_at", "created_at", "updated_at"),
        [(push_id, order.channel_id, "refund", key, order.id, encoded(words), now, now, now)],
    )
    told = f"{quoted.amount} {order.currency} ({wish.reason.value.replace('_', ' ')})"
    told += f" for return {wish.rma}" if wish.rma else ""
    told += f"; {wish.note}" if wish.note else ""
    tx.insert(
        tables.audit,
        ("at", "actor", "channel_id", "order_id", "event", "detail"),
        [(now, wish.actor, order.channel_id, order.id, "refund decided", told)],
    )
    also(tx, push_id)
    return msgspec.structs.replace(quoted, push=push_id), order.channel_id


def known_refunds(tx: Tx, order_id: int) -> tuple[str, ...]:
    """The numbers of the refunds its channel shows of an order."""
    rows = tx.rows("SELECT number FROM refunds WHERE order_id = :id ORDER BY id", id=order_id)
    return tuple(row.number for row in rows)


def _key(wish: Wish) -> str:
    return f"order:{wish.order_id}:{wish.reference}" if wish.reference else ""


def _quote(tx: Tx, wish: Wish, *, lock: str = "") -> tuple[Any, Quote]:
    order = tx.row(f"SELECT * FROM orders WHERE id = :id {lock}", id=wish.order_id)
    if order is None:
        raise UserError(f"there is no order {wish.order_id}; see `ordersync orders`")
    known = _key(wish) and tx.row("SELECT * FROM pushes WHERE kind = 'refund' AND key = :key", key=_key(wish))
    rows = {row.number: row for row in tx.rows("SELECT * FROM lines WHERE order_id = :id ORDER BY id", id=order.id)}
    if known:
        words = decoded(known.argument, Refund)
        lines, shipping = dict(words.lines), words.shipping
    elif not order.priced:
        raise UserError(f"the channel has not told the amounts of order {order.name} yet; wait until it is paid")
    before = given_before(tx, order.id)
    paid = Decimal(order.total) / 1_000_000
    left = paid - before.amount
    if not known:
        lines, shipping = _parts(order, rows, wish, before, left)
    amount = shipping + sum((line.amount + line.tax for line in lines.values()), ZERO)
    quoted = Quote(
        lines=lines,
        skus={number: rows[number].sku or rows[number].title for number in lines if number in rows},
        shipping=shipping,
        amount=amount,
        currency=order.currency,
        paid=paid,
        refunded=before.amount,
        push=known.id if known else None,
        new=not known,
    )
    if known:
        return order, quoted
    if amount > left:
        raise UserError(
            f"{_money(amount)} {order.currency} cannot be given back: {_money(paid)} was paid for order {order.name}, "
            f"{_money(before.amount)} is given back or on its way; name less with --line SKU=QTY:AMOUNT or --shipping"
        )
    if not amount:
        raise UserError("nothing would be given back; name units and amounts with --line, or --shipping")
    return order, quoted


@dataclass(frozen=True)
class Given:
    """What the buyer of an order has back already, or is on its way."""

    amount: Decimal
    units: Mapping[str, int]
    """By line number, as far as is known."""


def given_before(tx: Tx, order_id: int, *, but: int | None = None) -> Given:
    """All refunds of an order its channel shows, and ours it does not show yet; refused ones gave nothing.

    `but`: a push that is not to count.
    """
    rows = tx.rows("SELECT amount, lines, push_id FROM refunds WHERE order_id = :id", id=order_id)
    amount = Decimal(sum(row.amount for row in rows)) / 1_000_000
    units: dict[str, int] = {}
    for row in rows:
        for line, count in msgspec.json.decode(row.lines, type=dict[str, int]).items():
            units[line] = units.get(line, 0) + count
    shown = {row.push_id for row in rows}
    for row in tx.rows(
        "SELECT id, argument FROM pushes WHERE order_id = :id AND kind = 'refund'"
        " AND state IN ('queued', 'sent', 'unknown', 'accepted', 'applied', 'confirmed')",
        id=order_id,
    ):
        if row.id in shown or row.id == but:
            continue
        words = decoded(row.argument, Refund)
        amount += amount_of(words)
        for line, part in words.lines.items():
            units[line] = units.get(line, 0) + part.quantity
    return Given(amount, units)


def _parts(
    order: Any, rows: Mapping[str, Any], wish: Wish, before: Given, left: Decimal
) -> tuple[dict[str, RefundLine], Decimal]:
    shipping_paid = Decimal(order.shipping + order.shipping_tax) / 1_000_000
    places = _PLACES.get(order.currency, 2)
    if wish.parts is None and wish.shipping is None:
        lines = {
            number: _line(row, Part(units=row.ordered - before.units.get(number, 0)), before, places)
            for number, row in rows.items()
            if row.ordered > before.units.get(number, 0)
        }
        lines = {number: line for number, line in lines.items() if line.amount + line.tax}
        rest = left - sum((line.amount + line.tax for line in lines.values()), ZERO)
        rest = rest.quantize(Decimal(1).scaleb(-places), ROUND_FLOOR)
        if not 0 <= rest <= shipping_paid:
            raise UserError(
                f"{_money(left)} {order.currency} of order {order.name} is left to give back, which is not what its "
                "units and shipping cost; name them with --line SKU=QTY:AMOUNT and --shipping"
            )
        return lines, rest
    shipping = wish.shipping or ZERO
    _check(shipping, order.currency, places)
    if shipping > shipping_paid:
        raise UserError(f"{_money(shipping)} of shipping cannot be given back: {_money(shipping_paid)} was paid for it")
    lines = {}
    for name, part in (wish.parts or {}).items():
        named = [row for row in rows.values() if name in (row.number, row.sku)]
        if not named:
            raise UserError(f"order {order.name} has no line {name!r}; see `ordersync order {order.id}`")
        if len(named) > 1:
            several = ", ".join(row.number for row in named)
            raise UserError(f"{name} is on several lines of order {order.name}; name one of the lines {several}")
        row = named[0]
        if row.number in lines:
            raise UserError(f"line {row.number} is named twice; name it once")
        if part.amount is not None:
            _check(part.amount, order.currency, places)
        rest_units = row.ordered - before.units.get(row.number, 0)
        if part.units > rest_units:
            raise UserError(
                f"{part.units} of {name} cannot be refunded: {row.ordered} were ordered and "
                f"{before.units.get(row.number, 0)} of them refunded already"
            )
        if not part.units and not part.amount:
            raise UserError(f"nothing is named for {name}; write --line {name}=QTY or --line {name}=0:AMOUNT")
        lines[row.number] = _line(row, part, before, places)
    return lines, shipping


def _line(row: Any, part: Part, before: Given, places: int) -> RefundLine:
    """What is given back for one line: shares are rounded so that all shares of a line add up to what it cost."""
    cost = Decimal(row.unit_price * row.ordered - row.discount) / 1_000_000
    tax = Decimal(row.tax) / 1_000_000
    if part.amount is not None:
        if part.amount > cost:
            raise UserError(f"{_money(part.amount)} for {row.sku} is more than the {_money(cost)} it cost")
        share = _rounded(tax * part.amount / cost, places) if cost else ZERO
        return RefundLine(quantity=part.units, amount=part.amount, tax=share)
    done = before.units.get(row.number, 0)

    def share_of(whole: Decimal) -> Decimal:
        upto, already = (whole * units / row.ordered for units in (done + part.units, done))
        return _rounded(upto, places) - _rounded(already, places)

    return RefundLine(quantity=part.units, amount=share_of(cost), tax=share_of(tax))


def _check(amount: Decimal, currency: str, places: int) -> None:
    if not amount.is_finite() or amount < 0 or amount != _rounded(amount, places):
        raise UserError(f"{amount} is no amount of {currency}; write it with at most {places} decimals")


def _rounded(amount: Decimal, places: int) -> Decimal:
    return amount.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)


def _money(amount: Decimal) -> str:
    cents = round(amount, 2)
    return f"{cents if cents == amount else amount.normalize():f}"
