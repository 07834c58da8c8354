"""Promises that cannot be kept any more: units turned out to be gone, so the newest promises to them are taken back.

What a location lacks is unbound first; where the item still has enough elsewhere, its promises stay and are routed
anew. Only what is nowhere is taken back: from work not released yet before released work, from the newest orders first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from core.store import tables
from core.store.database import Tx
from core.store.moves import Stock
from core.sync.promise import write_reservations
from core.sync.stored import StoredLine, close_fulfilment, give_back, write_claims

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
    """Units of these that the location had been asked for already: tell it."""


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


@dataclass(slots=True)
class Loss:
    """What one line is to lose, in units of the line."""

    order_id: int
    unbind: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    """By location."""
    back: int = 0


def plan(holders: Sequence[Holder], over: Mapping[int, int], over_at: Mapping[Place, int]) -> dict[int, Loss]:
    """What each line loses, by line, for `over` units too many promised by item, and `over_at` bound by place.

    Pure but for `holders` (the newest order first), which are used up.
    """
    losses: dict[int, Loss] = {}
    lacking = dict(over_at)
    for item, place in sorted(over_at):
        for released in (False, True):
            for holder in holders:
                _unbind(holder, item, place, released, lacking, losses)
    short = dict(over)
    for item in sorted(over):
        for released in (False, True):
            for holder in holders:
                _give_up(holder, item, released, short, losses)
    return losses


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
    holder.reserved -= units
    losses.setdefault(holder.line_id, Loss(holder.order_id)).back += units
    for part, per in holder.parts.items():
        if part in short:
            short[part] -= per * units


def load_holders(tx: Tx, items: Sequence[int]) -> list[Holder]:
    """The lines that hold promises of locked items, of the newest order first."""
    found: dict[int, Holder] = {}
    for row in tx.rows(
        "SELECT r.line_id, r.item_id, r.per, l.order_id, l.reserved FROM reservations r"
        " JOIN lines l ON l.id = r.line_id JOIN orders o ON o.id = l.order_id"
        " WHERE r.line_id IN (SELECT line_id FROM reservations WHERE item_id IN :items)"
        " ORDER BY o.placed_at DESC, o.id DESC, l.id DESC, r.item_id",
        items=list(items),
    ):
        holder = found.setdefault(row.line_id, Holder(row.line_id, row.order_id, reserved=row.reserved))
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
    lost: defaultdict[int, list[tuple[int, int, int]]] = defaultdict(list)
    events: list[tuple[int, str]] = []
    for line in hit:
        loss = losses[line.row.id]
        bound, asked = line.claim.allocated, _asked(line)
        for location_id, units in loss.unbind.items():
            _unbind_line(line, location_id, units, stock)
        give_back(line.claim, line.bound, stock, loss.back)
        unbound, recalled = bound - line.claim.allocated, asked - _asked(line)
        lost[loss.order_id].append((loss.back, unbound, recalled))
        told = f"{loss.back} of {line.row.sku} backordered again, {unbound} unbound from locations"
        if recalled:
            told += f", {recalled} of them already asked for: tell the location"
        events.append((loss.order_id, f"{told}; {why}"))
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
        [(now, actor, channel[order_id], order_id, "promise taken back", told) for order_id, told in events],
    )
    return [
        TakenBack(
            row.id, row.name or row.number, row.channel, row.channel_id, *map(sum, zip(*lost[row.id], strict=True))
        )
        for row in orders
    ]


def _unbind_line(line: StoredLine, location_id: int, units: int, stock: Stock) -> None:
    for one in line.bound:
        count = min(one.open, units) if one.location_id == location_id else 0
        if count:
            stock.allocate(line.claim.parts or (), -count, location_id)
            one.quantity -= count
            line.claim.allocated -= count
            units -= count


def _asked(line: StoredLine) -> int:
    return sum(one.open for one in line.bound if one.state == "released")
