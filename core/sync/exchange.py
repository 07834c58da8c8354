"""Other units sent instead of what comes back: an order of our own, bound to the return and to its order's address.

It is promised stock, routed and shipped as any order of its channel. The channel does not know it and is told nothing
of it: its parcels and cancellations are written down as pushes that are dropped from the start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from core.errors import UserError
from core.plurals import are, many
from core.store import tables
from core.store.catalogue import Listed, look_up
from core.store.database import Store, Tx
from core.store.moves import Stock
from core.store.unbound import as_sites
from core.sync.promise import Claim, reserve, write_reservations
from core.sync.rma import PREFIX, Found, authorised, desk_row, find, lock, write_event
from core.sync.rma_refund import came_of, exchanges_of, not_given_back
from core.sync.work import poke

UNTOLD = "it is sent in exchange: the channel does not know the order"


def is_exchange(tx: Tx, order_id: int) -> bool:
    """Whether an order is ours alone, and its channel told nothing of it."""
    return tx.row("SELECT 1 FROM exchanges WHERE order_id = :id", id=order_id) is not None


@dataclass(frozen=True)
class Exchange:
    """Somebody wants other units sent for a return."""

    target: str
    """The return: RMA-3, or the channel's number."""
    units: Mapping[str, int]
    """By SKU: the channel's, or an item's."""
    reference: str = ""
    """The decider's own: the same one of the same return is decided once, however often given."""
    over: bool = False
    """Send more units than came back or are authorised, less those given back or exchanged already."""
    note: str = ""
    actor: str = "operator"


class Exchanged(msgspec.Struct, frozen=True, kw_only=True):
    """The order that came of it."""

    order_id: int
    number: str
    new: bool
    """False: the same reference was decided before."""
    reserved: Mapping[str, int] = {}
    """Units promised at once, by SKU."""
    backordered: Mapping[str, int] = {}
    """Units that wait for stock, by SKU."""


def exchange(store: Store, wish: Exchange, now: int, *, by_sku: bool = True) -> Exchanged:
    """Makes the order and promises it what there is, in one transaction; its channel's next turn routes it.

    Raises `UserError` for a return whose order is not here, for units of nothing that is known, for more units than the
    return has left to exchange (unless `over`), and for a bare order.
    """
    done, channel_id = store.transact(lambda tx: _exchange(tx, wish, by_sku, now))
    if done.new:
        poke(store, [channel_id])
    return done


def _exchange(tx: Tx, wish: Exchange, by_sku: bool, now: int) -> tuple[Exchanged, int]:
    found = find(tx, wish.target)
    if not found.name:
        raise UserError(f"{found.whose} is no return; open one first (`ordersync return open`)")
    if found.order is None:
        raise UserError(f"return {found.name} is of {found.whose}: nobody knows where to send anything")
    if not wish.units:
        raise UserError("nothing was named to be sent instead; name it with --for SKU=QTY")
    lock(tx, found)
    rma = desk_row(tx, found, wish.actor, now)
    order = found.order
    before = tx.rows(
        "SELECT e.reference, o.id, o.number FROM exchanges e JOIN orders o ON o.id = e.order_id"
        " WHERE e.rma_id = :id ORDER BY o.id",
        id=rma.id,
    )
    known = next((row for row in before if wish.reference and row.reference == wish.reference), None)
    if known is not None:
        return Exchanged(order_id=known.id, number=known.number, new=False), order.channel_id
    if not wish.over:
        _refuse_more(tx, Found(rma, found.told, order), sum(wish.units.values()))
    listed = look_up(tx, order.channel_id, wish.units, by_sku=by_sku)
    unknown = sorted(set(wish.units) - listed.keys())
    if unknown:
        raise UserError(f"there is no item {', '.join(unknown)}; map it first (`ordersync listings map`)")
    number = f"{PREFIX}{rma.id}-X{len(before) + 1}"
    order_id = _make(tx, order, number, now)
    tx.insert(
        tables.exchanges,
        ("order_id", "rma_id", "reference"),
        [(order_id, rma.id, wish.reference or number)],
    )
    claims = _promise(tx, order, order_id, wish.units, listed, now)
    told = ", ".join(f"{count} of {sku}" for sku, count in wish.units.items())
    note = f"; {wish.note}" if wish.note else ""
    channel = order.channel_id
    write_event(tx, channel, order.id, "exchanged", f"{found.name}: {told}, as order {number}{note}", wish.actor, now)
    made = f"{told} in exchange for {_back(found)} of {found.whose}{note}"
    write_event(tx, channel, order_id, "made here", made, wish.actor, now)
    done = Exchanged(
        order_id=order_id,
        number=number,
        new=True,
        reserved={sku: claim.reserved for sku, claim in claims.items() if claim.reserved},
        backordered={sku: claim.backordered for sku, claim in claims.items() if claim.backordered},
    )
    return done, order.channel_id


def _refuse_more(tx: Tx, found: Found, wanted: int) -> None:
    """What came back, or may come, is exchanged once, and not given money back for as well.

    One unit stands for one: which of them it is for an exchange does not say.
    """
    came = came_of(tx, found.rma.id)
    may_come = authorised(tx, found)
    units = {line: max(came.get(line, 0), may_come.get(line, 0)) for line in {**came, **may_come}}
    open_units = not_given_back(tx, found, units)
    sent = exchanges_of(tx, found.rma.id)
    left = max(0, sum(open_units.values()) - sum(sent.values()))
    if wanted > left:
        covered, exchanged = sum(units.values()), sum(sent.values())
        others = f" ({', '.join(sent)})" if sent else ""
        raise UserError(
            f"return {found.name} has {many(left, 'unit')} left to exchange, not {wanted}: {covered} came back or may"
            f" come, of {covered - sum(open_units.values())} the money is given back and {exchanged} {are(exchanged)}"
            f" exchanged{others}; --over sends more"
        )


def _back(found: Found) -> str:
    return f"return {found.name}"


def _make(tx: Tx, order: Any, number: str, now: int) -> int:
    """The order's row, and its buyer's: they live where the first order went."""
    (order_id,) = tx.ids(tables.orders, 1)
    tx.insert(
        tables.orders,
        ("id", "channel_id", "number", "name", "version", "observed_at", "digest", "placed_at", "imported_at",
         "updated_at", "currency", "priced", "acknowledged", "test", "service"),
        [(order_id, order.channel_id, number, number, 0, now, b"", now, now, now, order.currency, True, True, False,
          order.service)],
    )  # fmt: skip
    columns = [column.name for column in tables.buyers.columns if column.name != "order_id"]
    names = ", ".join(columns)
    tx.run(
        f"INSERT INTO buyers (order_id, {names}) SELECT :new, {names} FROM buyers WHERE order_id = :old",
        new=order_id,
        old=order.id,
    )
    return int(order_id)


def _promise(
    tx: Tx, order: Any, order_id: int, units: Mapping[str, int], listed: Mapping[str, Listed], now: int
) -> dict[str, Claim]:
    """The lines, with what there is promised to them; by SKU."""
    ids = tx.ids(tables.lines, len(units))
    claims = {
        sku: Claim(line_id, listed[sku].parts, count) for line_id, (sku, count) in zip(ids, units.items(), strict=True)
    }
    sites = as_sites(tx.value("SELECT sites FROM channels WHERE id = :id", id=order.channel_id))
    stock = Stock(tx, {item for claim in claims.values() for item, _ in claim.parts or ()}, sites)
    reserve(claims.values(), stock)
    items = sorted({one.item_id for one in listed.values() if one.item_id is not None})
    titles = {row.id: row.title for row in tx.rows("SELECT id, title FROM items WHERE id IN :ids", ids=items)}
    tx.insert(
        tables.lines,
        ("id", "order_id", "number", "sku", "title", "item_id", "ordered", "reserved", "backordered"),
        [
            (claim.line_id, order_id, str(place), sku, titles.get(listed[sku].item_id or 0, ""), listed[sku].item_id,
             claim.open, claim.reserved, claim.backordered)
            for place, (sku, claim) in enumerate(claims.items(), 1)
        ],
    )  # fmt: skip
    write_reservations(tx, claims.values())
    stock.write(now)
    return claims
