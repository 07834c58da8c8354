"""Promising stock to order lines, and binding what was promised to locations: within one transaction, under lock."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from core.model import Parts
from core.routing import Candidate, Decision, Piece, Reason, candidates, route
from core.store import tables
from core.store.database import Tx
from core.store.moves import Stock
from core.sync.channel import Desk

TAKEN_BACK = "promise taken back"
"""On a timeline: units that were promised are backordered again."""


def nowhere(units: int, sku: str) -> str:
    """Why units are promised no more that are there and cannot be sent."""
    return f"{units} of {sku} backordered again: no location that ships for the channel can send them"


class Claim(msgspec.Struct, gc=False):
    """One order line at work: its open units and how far they are promised and bound."""

    line_id: int
    parts: Parts | None
    """None: nobody knows what the SKU means, or the units are not ours to ship; they are held."""
    open: int
    """Units neither shipped nor cancelled."""
    reserved: int = 0
    allocated: int = 0

    @property
    def backordered(self) -> int:
        return 0 if self.parts is None else self.open - self.reserved

    @property
    def held(self) -> int:
        return self.open - self.reserved if self.parts is None else 0


def is_complete(claims: Iterable[Claim]) -> bool:
    """Whether all that is open of an order is promised."""
    return all(claim.reserved == claim.open for claim in claims)


class Parcel(msgspec.Struct, gc=False):
    """What one order still needs a location for."""

    order_id: int
    country: str
    postal_code: str
    claims: list[Claim]
    left_out: Mapping[int, str] = {}
    """Locations that are out of the question for it, and why."""
    given_back: dict[int, int] = {}
    """By line: promised units that could be sent from nowhere, and so are promised no more."""


def reserve(claims: Iterable[Claim], stock: Stock, most: Mapping[int, int] | None = None) -> None:
    """Promises what is free, first come first served. What two lines take of one item is summed by construction.

    `most`: by line, how many units it may get at this turn of it; the lines it does not name get none.
    """
    for claim in claims:
        wanted = claim.open - claim.reserved
        if most is not None:
            wanted = min(wanted, most.get(claim.line_id, 0))
        if claim.parts is not None and wanted > 0:
            claim.reserved += stock.reserve(claim.parts, wanted)


class Binding(msgspec.Struct, frozen=True, gc=False):
    """One fulfilment order to be: what a location is asked to send, and why it."""

    order_id: int
    location_id: int
    decision: str
    """JSON: the rule, the locations passed over as short, every candidate with its rank or why it was dropped, and the
    units by line, which stay true when some are called off later."""
    units: Mapping[int, int]
    """By line."""


class Wait(msgspec.Struct, frozen=True, gc=False):
    """An order that keeps its promise and waits for a location."""

    order_id: int
    reason: Reason
    why: str
    """In words."""
    decision: str
    """JSON, as a binding's, without units."""


class Routed(msgspec.Struct, frozen=True):
    """What became of the orders that were routed."""

    bindings: list[Binding]
    waits: list[Wait]


def allocate(desk: Desk, parcels: Iterable[Parcel], stock: Stock) -> Routed:
    """Routes what is promised but not bound, and binds the stock.

    What no location can send whole is given back: a kit whose parts stand apart, units that went where the channel
    does not ship from. What a location has that may not send it now keeps its promise, and waits.
    """
    ranked: dict[tuple[str, str], tuple[tuple[Candidate, ...], str]] = {}
    bindings, waits = [], []
    for parcel in parcels:
        claims = {claim.line_id: claim for claim in parcel.claims if claim.parts and claim.reserved > claim.allocated}
        if not claims:
            continue
        where = parcel.country, parcel.postal_code
        if parcel.left_out:
            able, told = _candidates(desk, parcel)
        elif where in ranked:
            able, told = ranked[where]
        else:
            able, told = ranked[where] = _candidates(desk, parcel)
        pieces = [
            Piece(claim.line_id, claim.parts or (), claim.reserved - claim.allocated) for claim in claims.values()
        ]
        decision = route(pieces, stock.free_at, able, split=desk.routing.split)
        reason = f'{{"rule":"{decision.rule}","short":{list(decision.short)},"candidates":{told}'
        for share in decision.shares:
            units = ",".join([f'"{line_id}":{count}' for line_id, count in share.units.items()])
            bindings.append(Binding(parcel.order_id, share.location_id, f'{reason},"units":{{{units}}}}}', share.units))
            for line_id, count in share.units.items():
                stock.allocate(claims[line_id].parts or (), count, share.location_id)
                claims[line_id].allocated += count
        if decision.unplaced:
            _give_back(parcel, claims.values(), decision.waits, stock)
            if decision.reason is not None:
                waits.append(Wait(parcel.order_id, decision.reason, _why(decision, able), reason + "}"))
    return Routed(bindings, waits)


def _candidates(desk: Desk, parcel: Parcel) -> tuple[tuple[Candidate, ...], str]:
    found = candidates(desk.sites, desk.routing.rank, parcel.country, parcel.postal_code, parcel.left_out)
    return found, msgspec.json.encode(found).decode()


def _why(decision: Decision, able: Sequence[Candidate]) -> str:
    if decision.reason is Reason.SPLIT:
        return decision.rule
    return "; ".join(f"{one.location}: {one.dropped}" for one in able if one.by == decision.reason)


def _give_back(parcel: Parcel, claims: Iterable[Claim], waits: Mapping[int, int], stock: Stock) -> None:
    for claim in claims:
        units = claim.reserved - claim.allocated - waits.get(claim.line_id, 0)
        if units:
            stock.release(claim.parts or (), units)
            claim.reserved -= units
            parcel.given_back[claim.line_id] = units


def write_routed(tx: Tx, desk: Desk, routed: Routed, known: Iterable[int], now: int) -> None:
    """The fulfilment orders, whose lines must be stored already, and which orders wait. `known`: the ids of those that
    may have waited before; an order that waits is told on its timeline when it begins to, or for another reason.
    """
    _write_bindings(tx, routed.bindings, now)
    before = {}
    asked = sorted(known)
    if asked:
        before = {row.order_id: row for row in tx.rows("SELECT * FROM parked WHERE order_id IN :ids", ids=asked)}
    if before:
        tx.run("DELETE FROM parked WHERE order_id IN :ids", ids=sorted(before))
    if not routed.waits:
        return
    rows, events = [], []
    for wait in routed.waits:
        was = before.get(wait.order_id)
        same = was is not None and (was.reason, was.why) == (wait.reason.value, wait.why)
        since = was.since if same and was is not None else now
        rows.append((wait.order_id, wait.reason.value, wait.why, wait.decision, since, None, desk.rules))
        if not same:
            events.append((now, "ordersync", desk.id, wait.order_id, "waits for a location", wait.why))
    tx.insert(tables.parked, ("order_id", "reason", "why", "decision", "since", "due_at", "rules"), rows)
    tx.insert(tables.audit, ("at", "actor", "channel_id", "order_id", "event", "detail"), events)


def _write_bindings(tx: Tx, bindings: Sequence[Binding], now: int) -> None:
    ids = tx.ids(tables.fulfilment_orders, len(bindings))
    tx.insert(
        tables.fulfilment_orders,
        ("id", "order_id", "location_id", "decision", "created_at"),
        [(id, b.order_id, b.location_id, b.decision, now) for id, b in zip(ids, bindings, strict=True)],
    )
    tx.insert(
        tables.fulfilment_lines,
        ("fulfilment_order_id", "line_id", "quantity"),
        [(id, *line) for id, b in zip(ids, bindings, strict=True) for line in b.units.items()],
    )


def load_left_out(tx: Tx, order_ids: Iterable[int]) -> defaultdict[int, dict[int, str]]:
    """The locations that are out of the question, by order, and why."""
    found: defaultdict[int, dict[int, str]] = defaultdict(dict)
    for row in tx.rows(
        "SELECT order_id, location_id, why FROM left_out WHERE order_id IN :ids ORDER BY location_id",
        ids=list(order_ids),
    ):
        found[row.order_id][row.location_id] = row.why
    return found


def write_reservations(tx: Tx, claims: Iterable[Claim], *, known: bool = False) -> None:
    """The reservation rows of `claims`; `known` when the lines may have rows already, which are replaced.

    The lines' own counters are written before: an order of which nothing waits for a location any more is not parked.
    """
    claims = list(claims)
    if known and claims:
        ids = [claim.line_id for claim in claims]
        tx.run("DELETE FROM reservations WHERE line_id IN :ids", ids=ids)
        tx.run(
            "DELETE FROM parked WHERE order_id IN (SELECT order_id FROM lines WHERE id IN :ids) AND NOT EXISTS"
            " (SELECT 1 FROM lines l WHERE l.order_id = parked.order_id AND l.reserved > l.allocated)",
            ids=ids,
        )
    tx.insert(
        tables.reservations,
        ("line_id", "item_id", "per", "quantity"),
        [
            (claim.line_id, item, per, per * claim.reserved)
            for claim in claims
            if claim.reserved
            for item, per in claim.parts or ()
        ],
    )
