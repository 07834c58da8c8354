"""Units move from one location to another: at once, or by a journey on which they are on hand nowhere.

Only units that no order needs where they are may leave: bound ones stay, and so do those that promises without a
location can be kept from nowhere else.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from core.errors import UserError
from core.model import MAX_QUANTITY
from core.plurals import many
from core.spare import Laid, Sites
from core.store import tables
from core.store.database import Store, Tx
from core.store.moves import Entry, Stock
from core.store.unbound import unbound
from core.sync.incoming import KEY, SHOWN, Expected, as_expected, check_reference, refuse_other_source
from core.sync.stock import poke_concerned
from core.sync.stock_asked import Ask, check_ask, known_items, known_locations
from core.sync.take_back import load_holders
from core.sync.verify_breach import name_orders

NAMED = 5
"""Orders named in a refusal; the others are counted."""


class Transferred(msgspec.Struct, frozen=True):
    """What a transfer did."""

    sku: str
    quantity: int
    from_location: str
    to_location: str
    left_there: int
    """On hand where they left."""
    new: bool
    """False: its reference was booked before, and nothing was done."""
    on_the_way: Expected | None
    """None: they are there already."""


def transfer(
    store: Store,
    sku: str,
    quantity: int,
    from_location: str,
    to_location: str,
    now: int,
    *,
    eta: int | None = None,
    reference: str = "",
    note: str = "",
    actor: str = "operator",
) -> Transferred:
    """`quantity` units of `sku` leave `from_location` for `to_location`.

    With an `eta` they are on their way until they are received as `reference` (one is made where none is given);
    without, they are there at once. The same reference moves them once. Raises `UserError` where fewer may leave.
    """
    ask = Ask(kind="adjust", sku=sku, location=from_location, units=quantity)
    check_ask(ask)
    if quantity < 1:
        raise UserError(f"{quantity} of {sku}: write a whole number from 1 to {MAX_QUANTITY}")
    if from_location == to_location:
        raise UserError(f"{sku} is at {to_location} already; name another location with --to")
    if reference:
        check_reference(reference)

    def work(tx: Tx) -> Transferred:
        places = known_locations(tx, [from_location, to_location])
        item = known_items(tx, [ask])[sku]
        stock = Stock(tx, [item])
        start, end = places[from_location], places[to_location]
        booked = _booked(tx, item, start, end, reference)
        if booked is not None:
            return _again(tx, booked, ask, to_location, eta, now)
        if reference:
            refuse_other_source(tx, reference, "transfer")
        _refuse_needed(tx, stock, ask, item, start, None if eta is not None else end)
        name, incoming_id = reference, None
        if eta is not None:
            incoming_id = tx.ids(tables.incoming, 1)[0]
            name = reference or f"T-{incoming_id}"
            _send(tx, incoming_id, (name, item, start, end, quantity, eta, note, actor), now)
        for entry in _pair(item, start, end, quantity, name or uuid.uuid4().hex, actor, note, incoming_id):
            stock.move(entry)
        left = tx.value(
            "SELECT on_hand FROM stock WHERE item_id = :item AND location_id = :start", item=item, start=start
        )
        stock.write(now)
        return Transferred(
            sku, quantity, from_location, to_location, left - quantity, True, _on_the_way(tx, incoming_id, now)
        )

    done = store.transact(work)
    if done.new:
        poke_concerned(store, {sku})
    return done


def _booked(tx: Tx, item: int, start: int, end: int, reference: str) -> Any:
    """The ledger row of units that left by this reference before."""
    if not reference:
        return None
    cause = _cause(item, start, end, reference, "out")
    return tx.row("SELECT on_hand, incoming_id FROM ledger WHERE cause = :cause", cause=cause)


def _again(tx: Tx, booked: Any, ask: Ask, to_location: str, eta: int | None, now: int) -> Transferred:
    """What was booked before is told again; a new date is kept, another quantity refused."""
    if -booked.on_hand != ask.units:
        raise UserError(f"{-booked.on_hand} of {ask.sku} left by this reference, not {ask.units}; give another one")
    if booked.incoming_id is not None and eta is not None:
        tx.run("UPDATE incoming SET eta = :eta, updated_at = :now WHERE id = :id AND state = 'open'",
               eta=eta, now=now, id=booked.incoming_id)  # fmt: skip
    left = tx.value(
        "SELECT s.on_hand FROM stock s JOIN items i ON i.id = s.item_id JOIN locations l ON l.id = s.location_id"
        " WHERE i.sku = :sku AND l.name = :name",
        sku=ask.sku,
        name=ask.location,
    )
    on_the_way = _on_the_way(tx, booked.incoming_id, now)
    return Transferred(ask.sku, ask.units, ask.location, to_location, left, False, on_the_way)


def _refuse_needed(tx: Tx, stock: Stock, ask: Ask, item: int, start: int, end: int | None) -> None:
    """Refuses units that are not there or that orders need; `end`: where they are at once, if anywhere."""
    free = {place: units for (of, place), units in stock.free_at.items() if of == item}
    stands = tx.value(
        "SELECT on_hand FROM stock WHERE item_id = :item AND location_id = :start", item=item, start=start
    )
    if ask.units > (stands or 0):
        raise UserError(f"{ask.location} has {stands or 0} of {ask.sku}, {ask.units} cannot leave; see `stock show`")
    promised = unbound(tx, [item]).get(item, {})
    able = _movable(free, promised, start, end)
    if end is None:  # on the road they are nobody's: what is on hand still has to be as much as is promised
        able = min(able, stock.free[item])
    if ask.units > able:
        held = _holders(tx, item, start)
        raise UserError(
            f"{able} of {ask.sku} may leave {ask.location}, the rest is promised: {held}; "
            "move fewer, or free them first (`ordersync cancel`, `reroute` or `hold`)"
        )


def _movable(free: Mapping[int, int], promised: Mapping[Sites, int], start: int, end: int | None) -> int:
    """The most units that can go from `start` to `end` (None: onto the road) so that no promise loses its room by it.

    Promises that find none as it is (stock was lost) keep nothing back. What may go is an interval from 0, as it is a
    flow's; so it is found by halving.
    """

    def room(units: int, asked: Mapping[Sites, int]) -> dict[Sites, int]:
        left = dict(free)
        left[start] -= units
        if end is not None:
            left[end] = left.get(end, 0) + units
        laid = Laid(left)
        return {sites: laid.add(sites, count) for sites, count in asked.items()}

    kept = room(0, promised)
    least, most = 0, max(0, free.get(start, 0))
    while least < most:
        middle = (least + most + 1) // 2
        least, most = (middle, most) if room(middle, kept) == kept else (least, middle - 1)
    return least


def _holders(tx: Tx, item: int, start: int) -> str:
    """The orders that need units of an item at a location, the newest first."""
    units: dict[int, int] = {}
    for holder in load_holders(tx, [item]):
        bound = sum(work.open for work in holder.works if work.location_id == start)
        loose = holder.unbound if holder.sites is None or start in holder.sites else 0
        if bound + loose:
            units[holder.order_id] = units.get(holder.order_id, 0) + (bound + loose) * holder.parts[item]
    names = name_orders(tx, units)
    told = [f"{count} to {names[order_id]}" for order_id, count in list(units.items())[:NAMED]]
    more = len(units) - len(told)
    return ", ".join(told) + (f" and {many(more, 'order')} more" if more else "")


def _send(tx: Tx, id: int, values: tuple[Any, ...], now: int) -> None:
    """Units set out: what is to come to their new location."""
    reference, item, start, end, quantity, eta, note, actor = values
    if tx.row(f"SELECT 1 FROM incoming WHERE {KEY}", reference=reference, item=item, place=end):
        raise UserError(f"{reference} brings this item there from elsewhere; give another reference")
    columns = (
        "id", "reference", "item_id", "from_id", "location_id", "quantity", "eta", "note", "actor", "source",
        "created_at", "updated_at",
    )  # fmt: skip
    row = (id, reference, item, start, end, quantity, eta, note, actor, "transfer", now, now)
    tx.insert(tables.incoming, columns, [row])


def _pair(
    item: int, start: int, end: int, quantity: int, reference: str, actor: str, note: str, incoming_id: int | None
) -> Sequence[Entry]:
    """The ledger rows, each with its own cause: units leave, and are there at once where nothing is on its way."""
    out = Entry(
        item_id=item, location_id=start, cause=_cause(item, start, end, reference, "out"), kind="transfer",
        on_hand=-quantity, actor=actor, note=note, incoming_id=incoming_id,
    )  # fmt: skip
    if incoming_id is not None:
        return (out,)
    there = Entry(
        item_id=item, location_id=end, cause=_cause(item, start, end, reference, "in"), kind="transfer",
        on_hand=quantity, actor=actor, note=note,
    )  # fmt: skip
    return out, there


def _cause(item: int, start: int, end: int, reference: str, which: str) -> str:
    return f"transfer:{which}:{reference}:{item}:{start}:{end}"


def _on_the_way(tx: Tx, incoming_id: int | None, now: int) -> Expected | None:
    if incoming_id is None:
        return None
    return as_expected(tx.row(f"{SHOWN} WHERE n.id = :id", id=incoming_id), now)
