"""Promises that cannot be kept any more: units turned out to be gone, so the newest promises to them are taken back.

What a location lacks is unbound first; where the item still has enough elsewhere, its promises stay and are routed
anew. Only what is nowhere their channels ship from is taken back: promises without a location first, then work not
released yet, then released work, each from the newest orders first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from core.spare import Laid, Sites
from core.store import tables
from core.store.database import Store, Tx
from core.store.moves import Stock
from core.store.unbound import as_sites
from core.sync.promise import TAKEN_BACK, write_reservations
from core.sync.stored import StoredLine, close_fulfilment, give_back, write_claims
from core.sync.warehouse import stopped_by_connector

T = TypeVar("T")

_TRIES = 20
"""How often the orders that lose something may change while they are being locked."""

Place = tuple[int, int]
"""(item, location)."""


class TakenBack(msgspec.Struct, frozen=True):
    """What one order lost."""

    order_id: int
    name: str
    channel: str
    channel_id: int
    backordered: int
    """Units of its lines that wait for stock again."""
    unbound: int
    """Units that a location was to send and does not have; those not backordered are routed anew."""
    recalled: int
    """Units of these that the location had been asked for already: tell it, as far as they are not `stopping`."""
    stopping: int = 0
    """Units of these whose warehouse is asked to stop by its connector."""


@dataclass(slots=True)
class Work:
    """Units of a line that one location is asked for."""

    location_id: int
    released: bool
    open: int


@dataclass(slots=True)
class Holder:
    """One line that holds promises: its parts, promised units and work, the work to be given up first in front."""

    line_id: int
    order_id: int
    parts: dict[int, int] = field(default_factory=dict)
    reserved: int = 0
    works: list[Work] = field(default_factory=list)
    sites: Sites = None
    """Where its channel ships from."""

    @property
    def unbound(self) -> int:
        return self.reserved - sum(work.open for work in self.works)


@dataclass(slots=True)
class Loss:
    """What one line is to lose, in units of the line."""

    order_id: int
    unbind: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    """By location."""
    back: int = 0


def plan(
    holders: Sequence[Holder],
    over: Mapping[int, int],
    over_at: Mapping[Place, int],
    free: Mapping[int, Mapping[int, int]] | None = None,
) -> dict[int, Loss]:
    """What each line loses, by line, for `over` units too many promised by item, and `over_at` bound by place.

    `free`: on hand less allocated by item and location (below zero where `over_at` says so). With it, promises that
    no location of their channel can keep are lost as well, and planned work is called off where its channel does not
    ship from any more. Pure but for `holders` (the newest order first), which are used up.
    """
    losses: dict[int, Loss] = {}
    lacking = dict(over_at)
    for item, place in sorted(over_at):
        for released in (False, True):
            for holder in holders:
                _unbind(holder, item, place, released, lacking, losses)
    short = dict(over)
    if free is not None:
        _call_off(holders, losses)
        _resettle(holders, free, short, losses)
    for item in sorted(over):
        for released in (False, True):
            for holder in holders:
                _give_up(holder, item, released, short, losses)
    return losses


def _call_off(holders: Sequence[Holder], losses: dict[int, Loss]) -> None:
    """Planned work where the channel does not ship from any more."""
    for holder in holders:
        for work in holder.works:
            if holder.sites is not None and work.location_id not in holder.sites and not work.released and work.open:
                losses.setdefault(holder.line_id, Loss(holder.order_id)).unbind[work.location_id] += work.open
                work.open = 0


def _resettle(
    holders: Sequence[Holder], free: Mapping[int, Mapping[int, int]], short: dict[int, int], losses: dict[int, Loss]
) -> None:
    """Lays what is not bound on the locations of its channels, the oldest orders first; what finds no room is lost."""
    left = {item: dict(places) for item, places in free.items()}
    for holder in holders:
        for place, units in losses[holder.line_id].unbind.items() if holder.line_id in losses else ():
            for item, per in holder.parts.items():
                if item in left:
                    left[item][place] = left[item].get(place, 0) + per * units
    for item, places in sorted(left.items()):
        laid = Laid({place: max(0, units) for place, units in places.items()})
        for holder in reversed(holders):
            per, wanted = holder.parts.get(item, 0), holder.unbound
            lost = -(-(per * wanted - laid.add(holder.sites, per * wanted)) // per) if per else 0
            if lost:
                _lose(holder, lost, short, losses)


def _lose(holder: Holder, units: int, short: dict[int, int], losses: dict[int, Loss]) -> None:
    holder.reserved -= units
    losses.setdefault(holder.line_id, Loss(holder.order_id)).back += units
    for part, per in holder.parts.items():
        if part in short:
            short[part] -= per * units


def _unbind(
    holder: Holder, item: int, place: int, released: bool, lacking: dict[Place, int], losses: dict[int, Loss]
) -> None:
    for work in holder.works if item in holder.parts else ():
        if work.location_id == place and work.released is released and work.open and lacking[item, place] > 0:
            units = min(work.open, -(-lacking[item, place] // holder.parts[item]))
            work.open -= units
            losses.setdefault(holder.line_id, Loss(holder.order_id)).unbind[place] += units
            for part, per in holder.parts.items():
                if (part, place) in lacking:
                    lacking[part, place] -= per * units


def _give_up(holder: Holder, item: int, released: bool, short: dict[int, int], losses: dict[int, Loss]) -> None:
    if item not in holder.parts or short[item] <= 0:
        return
    asked = sum(work.open for work in holder.works if work.released)
    units = min(holder.reserved - (0 if released else asked), -(-short[item] // holder.parts[item]))
    if units <= 0:
        return
    unbind = units - (holder.reserved - sum(work.open for work in holder.works))
    for work in holder.works:
        taken = min(work.open, max(0, unbind))
        work.open -= taken
        unbind -= taken
    _lose(holder, units, short, losses)


def load_holders(tx: Tx, items: Sequence[int]) -> list[Holder]:
    """The lines that hold promises of locked items, of the newest order first."""
    found: dict[int, Holder] = {}
    for row in tx.rows(
        "SELECT r.line_id, r.item_id, r.per, l.order_id, l.reserved, c.sites FROM reservations r"
        " JOIN lines l ON l.id = r.line_id JOIN orders o ON o.id = l.order_id JOIN channels c ON c.id = o.channel_id"
        " WHERE r.line_id IN (SELECT line_id FROM reservations WHERE item_id IN :items)"
        " ORDER BY o.placed_at DESC, o.id DESC, l.id DESC, r.item_id",
        items=list(items),
    ):
        holder = found.setdefault(row.line_id, Holder(row.line_id, row.order_id, reserved=row.reserved))
        holder.sites = as_sites(row.sites)
        holder.parts[row.item_id] = row.per
    for row in tx.rows(
        "SELECT w.line_id, f.location_id, f.state, w.quantity - w.shipped AS open FROM fulfilment_lines w"
        " JOIN fulfilment_orders f ON f.id = w.fulfilment_order_id"
        " WHERE w.line_id IN :lines AND w.shipped < w.quantity AND f.state IN ('planned', 'released')"
        " ORDER BY f.state, f.id DESC",
        lines=list(found),
    ):
        found[row.line_id].works.append(Work(row.location_id, row.state == "released", row.open))
    return list(found.values())


def take_back(
    tx: Tx,
    losses: Mapping[int, Loss],
    lines: Mapping[int, list[StoredLine]],
    stock: Stock,
    why: str,
    actor: str,
    now: int,
) -> list[TakenBack]:
    """Takes the promises back, with a line on each order's timeline; `lines` are those of its locked orders.

    `stock` is the caller's to write.
    """
    hit = [line for found in lines.values() for line in found if line.row.id in losses]
    stopped = stopped_by_connector(tx, {one.location_id for line in hit for one in line.bound})
    lost: defaultdict[int, list[tuple[int, int, int, int]]] = defaultdict(list)
    events: list[tuple[int, str]] = []
    for line in hit:
        loss = losses[line.row.id]
        bound, asked, told_there = line.claim.allocated, _asked(line), _asked(line, stopped)
        for location_id, units in loss.unbind.items():
            _unbind_line(line, location_id, units, stock)
        give_back(line.claim, line.bound, stock, loss.back)
        unbound, recalled = bound - line.claim.allocated, asked - _asked(line)
        stopping = told_there - _asked(line, stopped)
        lost[loss.order_id].append((loss.back, unbound, recalled, stopping))
        told = [f"{loss.back} of {line.row.sku} backordered again"] if loss.back else []
        told += [f"{unbound} of {line.row.sku} unbound from locations"] if unbound else []
        by_hand = recalled - stopping
        told += [f"{by_hand} of them already asked for: tell the location"] if by_hand else []
        told += [f"{stopping} of them already asked for: the warehouse is asked to stop"] if stopping else []
        events.append((loss.order_id, f"{', '.join(told)}; {why}"))
    claims = [line.claim for line in hit]
    write_claims(tx, claims)
    write_reservations(tx, claims, known=True)
    close_fulfilment(tx, [one for line in hit for one in line.bound])
    orders = tx.rows(
        "SELECT o.id, o.name, o.number, o.channel_id, c.name AS channel FROM orders o"
        " JOIN channels c ON c.id = o.channel_id WHERE o.id IN :ids ORDER BY o.placed_at DESC, o.id DESC",
        ids=sorted(lost),
    )
    channel = {row.id: row.channel_id for row in orders}
    tx.insert(
        tables.audit,
        ("at", "actor", "channel_id", "order_id", "event", "detail"),
        [(now, actor, channel[order_id], order_id, TAKEN_BACK, told) for order_id, told in events],
    )
    return [
        TakenBack(
            row.id, row.name or row.number, row.channel, row.channel_id, *map(sum, zip(*lost[row.id], strict=True))
        )
        for row in orders
    ]


class NeedOrders(Exception):
    """These orders lose promises and are not locked yet."""

    def __init__(self, orders: Iterable[int]) -> None:
        self.orders = frozenset(orders)


def with_orders(store: Store, work: Callable[[Tx, frozenset[int]], T]) -> T:
    """Runs `work` in a transaction with the orders it asks for by raising `NeedOrders`; none at first.

    Orders are locked before items, so each time it asks it begins anew. Raises `NeedOrders` when they keep changing.
    """
    held: frozenset[int] = frozenset()
    for _ in range(_TRIES):
        try:
            return store.transact(lambda tx: work(tx, held))  # noqa: B023 - runs at once
        except NeedOrders as need:
            held |= need.orders
    raise NeedOrders(held)


def _unbind_line(line: StoredLine, location_id: int, units: int, stock: Stock) -> None:
    for one in line.bound:
        count = min(one.open, units) if one.location_id == location_id else 0
        if count:
            stock.allocate(line.claim.parts or (), -count, location_id)
            one.quantity -= count
            line.claim.allocated -= count
            units -= count


def _asked(line: StoredLine, places: Collection[int] | None = None) -> int:
    """Open units that locations were asked to pick, at these or at all."""
    released = (one for one in line.bound if one.state == "released")
    return sum(one.open for one in released if places is None or one.location_id in places)
