"""Work that a location does not do: it says so itself, or an operator takes it back. The order is routed again at once.

The units keep their promise. A location that has said no is left out of the question for that order from then on, and
the reason is remembered beside every later decision; `reroute` can let it back in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from core.errors import UserError
from core.store import tables
from core.store.database import Store, Tx
from core.store.moves import Stock
from core.sync.channel import Desk
from core.sync.refill import resume
from core.sync.stored import Bound, StoredLine, close_fulfilment, load_lines, spread, write_claims
from core.sync.warehouse import poke_warehouses
from core.sync.work import poke

DeskOf = Callable[[Tx, str], Desk | None]
"""The desk of a channel by its name, to route by; None where the channel is not configured: it is routed later then."""


class Rerouted(msgspec.Struct, frozen=True, kw_only=True):
    """What became of work that was taken from a location."""

    order_id: int
    new: bool
    """False: the same was said before, and nothing changed."""
    units: Mapping[str, int]
    """Units taken back, by line number."""
    asked: Mapping[str, int]
    """What locations are asked for by now, in units, by location."""
    waits: str
    """Why units of it wait for a location; empty where none do, and where it is to be routed in its channel's turn."""
    backordered: int
    """Units of it that wait for stock."""


def reject(
    where: Store | Tx,
    fulfilment_order_id: int,
    units: Mapping[str, int] | None,
    why: str,
    actor: str,
    now: int,
    *,
    reference: str = "",
    desk: DeskOf | None = None,
) -> Rerouted:
    """A location cannot do planned or released work: `units` of it by SKU or line number, or all that is open (None).

    The units are unbound and that location is left out for the order; with `desk` it is routed again in the same
    transaction, else in its channel's next turn. The fulfilment order ends as rejected where nothing of it is left and
    nothing was sent. The same `reference`, or without one the same units, is taken once for each fulfilment order.
    Given a transaction, the caller pokes the channel. Raises `UserError` for an unknown fulfilment order, and where
    fewer units of it are open.
    """

    def work(tx: Tx) -> Rerouted:
        order_id = tx.value("SELECT order_id FROM fulfilment_orders WHERE id = :id", id=fulfilment_order_id)
        if order_id is None:
            raise UserError(f"there is no fulfilment order {fulfilment_order_id}; see `ordersync order`")
        order = _lock(tx, order_id)
        rows = tx.rows(f"{_WORK} WHERE f.id = :id", id=fulfilment_order_id)
        return _reject(tx, order, rows, _Said(units, why, actor, reference), now, desk)

    return _poked(where, work) if isinstance(where, Store) else work(where)


def reject_at(
    store: Store,
    order_id: int,
    location: str,
    units: Mapping[str, int] | None,
    why: str,
    actor: str,
    now: int,
    *,
    reference: str = "",
    desk: DeskOf | None = None,
) -> Rerouted:
    """`reject` of whatever one location is asked to send of an order, in one fulfilment order or several."""

    def work(tx: Tx) -> Rerouted:
        order = _lock(tx, order_id)
        place = _place(tx, location)
        rows = tx.rows(
            f"{_WORK} WHERE f.order_id = :id AND f.location_id = :place ORDER BY f.id", id=order.id, place=place
        )
        if not rows:
            raise UserError(f"{location} was asked for nothing of order {order.name}; see `ordersync order {order.id}`")
        open = [row for row in rows if row.state in ("planned", "released")]
        said = _Said(units, why, actor, reference)
        return _reject(tx, order, (rows if reference or not open else open), said, now, desk)

    return _poked(store, work)


def reroute(
    where: Store | Tx,
    order_id: int,
    actor: str,
    now: int,
    *,
    away_from: str = "",
    allow: Sequence[str] = (),
    recall: bool = False,
    why: str = "",
    desk: DeskOf | None = None,
) -> Rerouted:
    """Takes an order's planned work back and routes it anew, and whatever of it waits for a location.

    `away_from`: only the work of this location, which is left out from then on. `allow`: locations that were left out
    and may be asked again. `recall`: released work too; its locations have been told to stop. Raises `UserError` for
    an unknown order or location, and where work was released and is not to be recalled.
    """
    if isinstance(where, Store):
        return _poked(where, lambda tx: _reroute(tx, order_id, actor, now, away_from, allow, recall, why, desk))
    return _reroute(where, order_id, actor, now, away_from, allow, recall, why, desk)


def _poked(store: Store, work: Callable[[Tx], Rerouted]) -> Rerouted:
    done = store.transact(work)
    if done.new:
        with store.read() as tx:
            channel = tx.value("SELECT channel_id FROM orders WHERE id = :id", id=done.order_id)
        poke(store, [channel])
        poke_warehouses(store)  # what was asked back is called back at once
    return done


class _Said(msgspec.Struct, frozen=True):
    """What was said of work that cannot be done."""

    units: Mapping[str, int] | None
    why: str
    actor: str
    own: str

    @property
    def reference(self) -> str:
        """By what it is known when it comes again."""
        if self.own or self.units is None:
            return self.own or "all"
        return ", ".join(f"{count} of {name}" for name, count in sorted(self.units.items()))


_WORK = "SELECT f.*, p.name FROM fulfilment_orders f JOIN locations p ON p.id = f.location_id"


def _reject(tx: Tx, order: Any, works: Sequence[Any], said: _Said, now: int, desk: DeskOf | None) -> Rerouted:
    """`works`: fulfilment orders of one location."""
    ids = [work.id for work in works]
    known = tx.rows(
        "SELECT units FROM rejections WHERE fulfilment_order_id IN :ids AND reference = :said ORDER BY id",
        ids=ids,
        said=said.reference,
    )
    if known:
        before = [msgspec.json.decode(row.units, type=dict[str, int]) for row in known]
        return _told(tx, order, {line: units for one in before for line, units in one.items()}, new=False)
    lines = load_lines(tx, [order.id])[order.id]
    taken = _units(order, lines, said.units, works)
    by_work = _unbind(tx, lines, taken, ids, "rejected", now)
    tx.insert(
        tables.rejections,
        ("fulfilment_order_id", "reference", "units", "why", "actor", "at"),
        [
            (id, said.reference, msgspec.json.encode(units).decode(), said.why, said.actor, now)
            for id, units in sorted(by_work.items())
        ],
    )
    name, place = works[0].name, works[0].location_id
    _leave_out(tx, order.id, place, said.why or "it said it cannot send it", said.actor, now)
    told = f"{name} cannot send {_named(taken)}" + (f": {said.why}" if said.why else "")
    _audit(tx, order, said.actor, "rejected", told, now)
    _again(tx, order, now, desk)
    return _told(tx, order, {line.row.number: count for line, count in taken})


def _units(
    order: Any, lines: Sequence[StoredLine], units: Mapping[str, int] | None, works: Sequence[Any]
) -> list[tuple[StoredLine, int]]:
    which = {work.id for work in works}
    open = {line.row.id: sum(one.open for one in line.bound if one.fulfilment_order_id in which) for line in lines}
    name = works[0].name
    if units is None:
        taken = [(line, open[line.row.id]) for line in lines if open[line.row.id]]
        if not taken:
            raise UserError(
                f"{name} is asked for nothing more of order {order.name}: that work is {works[-1].state}; "
                f"see `ordersync order {order.id}`"
            )
        return taken
    if not units:
        raise UserError("nothing was named that cannot be sent; name it with --line SKU=QTY")
    return spread(
        order,
        lines,
        units,
        lambda line: open[line.row.id],
        lambda sku, wanted, able: (
            f"{name} cannot refuse {wanted} of {sku}: it is asked for {able} of it in order {order.name} "
            f"that it has not sent; see `ordersync order {order.id}`"
        ),
    )


def _reroute(
    tx: Tx,
    order_id: int,
    actor: str,
    now: int,
    away_from: str,
    allow: Sequence[str],
    recall: bool,
    why: str,
    desk: DeskOf | None,
) -> Rerouted:
    order = _lock(tx, order_id)
    place = _place(tx, away_from) if away_from else None
    back_in = {name: _place(tx, name) for name in allow}
    lines = load_lines(tx, [order.id])[order.id]
    open = [one for line in lines for one in line.bound if place in (None, one.location_id) and one.open]
    names = {row.id: row.name for row in tx.rows("SELECT id, name FROM locations")}
    asked = sorted({names[one.location_id] for one in open if one.state == "released"})
    if asked and not recall:
        raise UserError(
            f"{' and '.join(asked)} may be picking order {order.name} already; tell them to stop, then say --recall"
        )
    which = {one.fulfilment_order_id for one in open}
    taken = []
    for line in lines:
        count = sum(one.open for one in line.bound if one.fulfilment_order_id in which)
        taken += [(line, count)] if count else []
    told = [f"{_named(_of(line, names, which) for line in lines)} taken back"] if taken else []
    _unbind(tx, lines, taken, which, "cancelled", now)
    for name, id in back_in.items():
        tx.run("DELETE FROM left_out WHERE order_id = :id AND location_id = :place", id=order.id, place=id)
        told.append(f"{name} may be asked again")
    if place is not None:
        _leave_out(tx, order.id, place, why or "routed away from it by hand", actor, now)
        told.append(f"{away_from} is left out")
    told += [f"{' and '.join(asked)} had been asked already"] if asked else []
    told += [why] if why else []
    _audit(tx, order, actor, "routed anew", "; ".join(told) or "what waits for a location", now)
    _again(tx, order, now, desk)
    return _told(tx, order, {line.row.number: count for line, count in taken})


def _lock(tx: Tx, order_id: int) -> Any:
    if tx.row("SELECT id FROM orders WHERE id = :id /*lock*/", id=order_id) is None:
        raise UserError(f"there is no order {order_id}; see `ordersync orders`")
    return tx.row(
        "SELECT o.*, c.name AS channel FROM orders o JOIN channels c ON c.id = o.channel_id WHERE o.id = :id",
        id=order_id,
    )


def _place(tx: Tx, name: str) -> int:
    found = tx.value("SELECT id FROM locations WHERE name = :name", name=name)
    if found is None:
        names = ", ".join(row.name for row in tx.rows("SELECT name FROM locations ORDER BY name"))
        raise UserError(f"there is no location {name!r}; there are: {names}")
    return int(found)


def _unbind(
    tx: Tx,
    lines: Sequence[StoredLine],
    taken: Sequence[tuple[StoredLine, int]],
    which: Iterable[int],
    ended: str,
    now: int,
) -> dict[int, dict[str, int]]:
    """Takes units off fulfilment orders, and their promise stays. Returns what was taken, by them and line number.

    Locks the items of all the order's `lines`: it is routed again whole, and items are locked in one go.
    """
    these = frozenset(which)
    stock = Stock(tx, {item for line in lines for item, _ in line.claim.parts or ()})
    changed: list[Bound] = []
    by_work: defaultdict[int, dict[str, int]] = defaultdict(dict)
    for line, count in taken:
        left = count
        for one in line.bound:
            units = min(one.open, left) if one.fulfilment_order_id in these else 0
            if units:
                stock.allocate(line.claim.parts or (), -units, one.location_id)
                one.quantity -= units
                line.claim.allocated -= units
                left -= units
                changed.append(one)
                by_work[one.fulfilment_order_id][line.row.number] = units
    write_claims(tx, [line.claim for line, _ in taken])
    close_fulfilment(tx, changed, ended)
    stock.write(now)
    return by_work


def _leave_out(tx: Tx, order_id: int, location_id: int, why: str, actor: str, now: int) -> None:
    tx.insert(
        tables.left_out,
        ("order_id", "location_id", "why", "actor", "at"),
        [(order_id, location_id, why, actor, now)],
        "ON CONFLICT (order_id, location_id) DO UPDATE SET why = excluded.why, actor = excluded.actor,"
        " at = excluded.at",
    )


def _again(tx: Tx, order: Any, now: int, desk: DeskOf | None) -> None:
    """Routes the order by what is known now; without a desk, makes it due for its channel's next turn."""
    tx.run("UPDATE parked SET due_at = :now WHERE order_id = :id", now=now, id=order.id)
    found = desk(tx, order.channel) if desk is not None else None
    if found is not None and order.fulfiller == "merchant" and not order.test:
        resume(tx, found, [order.id], now, event="routed again")


def _told(tx: Tx, order: Any, units: Mapping[str, int], *, new: bool = True) -> Rerouted:
    waits = tx.row("SELECT why FROM parked WHERE order_id = :id", id=order.id)
    asked = tx.rows(
        "SELECT p.name, SUM(w.quantity - w.shipped) AS units FROM fulfilment_orders f"
        " JOIN fulfilment_lines w ON w.fulfilment_order_id = f.id JOIN locations p ON p.id = f.location_id"
        " WHERE f.order_id = :id AND f.state IN ('planned', 'released') GROUP BY p.name ORDER BY p.name",
        id=order.id,
    )
    back = tx.value("SELECT SUM(backordered) FROM lines WHERE order_id = :id", id=order.id)
    return Rerouted(
        order_id=order.id,
        new=new,
        units=units,
        asked={row.name: int(row.units) for row in asked},
        waits=waits.why if waits is not None else "",
        backordered=int(back or 0),
    )


def _of(line: StoredLine, names: Mapping[int, str], which: Iterable[int]) -> tuple[StoredLine, int]:
    return line, sum(one.open for one in line.bound if one.fulfilment_order_id in which)


def _named(taken: Iterable[tuple[StoredLine, int]]) -> str:
    return ", ".join(f"{count} of {line.row.sku or line.row.number}" for line, count in taken if count)


def _audit(tx: Tx, order: Any, actor: str, event: str, detail: str, now: int) -> None:
    tx.insert(
        tables.audit,
        ("at", "actor", "channel_id", "order_id", "event", "detail"),
        [(now, actor, order.channel_id, order.id, event, detail)],
    )
