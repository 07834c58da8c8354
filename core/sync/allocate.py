"""Binding what was promised to locations: orders are routed within one transaction, under the lock of their items."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from core.routing import Ask, Candidate, Decision, Piece, Reason, Standing, Worth, candidates, route
from core.store import tables
from core.store.database import Tx
from core.store.moves import Stock
from core.sync.channel import Desk
from core.sync.loads import Loads
from core.sync.promise import Claim


class Parcel(msgspec.Struct, gc=False):
    """What one order still needs a location for, and what it asks of one."""

    order_id: int
    country: str
    postal_code: str
    claims: list[Claim]
    left_out: Mapping[int, str] = {}
    """Locations that are out of the question for it, and why."""
    service: str = ""
    ship_by: int | None = None
    total: int = 0
    """What it is worth, in millionths of its currency."""
    given_back: dict[int, int] = {}
    """By line: promised units that could be sent from nowhere, and so are promised no more."""


class Binding(msgspec.Struct, frozen=True, gc=False):
    """One fulfilment order to be: what a location is asked to send, and why it."""

    order_id: int
    location_id: int
    decision: str
    """JSON: the rule, what the locations passed over lack, every candidate with its numbers or why it was dropped, and
    the units by line, which stay true when some are called off later."""
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
    due_at: int | None = None
    """When the reason ends by itself."""


class Routed(msgspec.Struct, frozen=True):
    """What became of the orders that were routed."""

    bindings: list[Binding]
    waits: list[Wait]


class _Looked(msgspec.Struct, frozen=True):
    """The locations as they are ranked for one kind of order."""

    ranked: tuple[Candidate, ...]
    worth: tuple[Worth, ...]
    told: str
    """As JSON."""


def allocate(desk: Desk, parcels: Iterable[Parcel], stock: Stock, now: int) -> Routed:
    """Routes what is promised but not bound, and binds the stock.

    What no location can send whole is given back: a kit whose parts stand apart, units that went where the channel
    does not ship from. What a location has that may not send it now keeps its promise, and waits.
    """
    today = _Today(desk, stock, now)
    routed = Routed([], [])
    for parcel in parcels:
        claims = {claim.line_id: claim for claim in parcel.claims if claim.parts and claim.reserved > claim.allocated}
        if not claims:
            continue
        pieces = [
            Piece(claim.line_id, claim.parts or (), claim.reserved - claim.allocated) for claim in claims.values()
        ]
        if desk.rules.ship_complete and (missing := _missing(parcel)):
            why = f"it ships complete, and {missing} of its units cannot be had yet"
            routed.waits.append(Wait(parcel.order_id, Reason.INCOMPLETE, why, f'{{"rule":"{why}"}}'))
            continue
        looked = today.look(parcel, pieces)
        split = desk.rules.split and (desk.rules.split_above is None or parcel.total > desk.rules.split_above)
        decision = route(pieces, stock.free_at, looked.ranked, looked.worth, split=split, kept=stock.kept)
        told = _told(decision, looked)
        if decision.unplaced and desk.rules.ship_complete:
            decision = _all_or_nothing(decision, claims)
        for share in decision.shares:
            units = ",".join([f'"{line_id}":{count}' for line_id, count in share.units.items()])
            routed.bindings.append(
                Binding(parcel.order_id, share.location_id, f'{told},"units":{{{units}}}}}', share.units)
            )
            for line_id, count in share.units.items():
                stock.allocate(claims[line_id].parts or (), count, share.location_id)
                claims[line_id].allocated += count
            today.given(share.location_id, share.units)
        if decision.unplaced:
            _give_back(parcel, claims.values(), decision.waits, stock)
            if decision.reason is not None:
                routed.waits.append(_wait(parcel, decision, looked.ranked, told))
    today.end()
    return routed


class _Today:
    """The locations as they stand within one transaction; how orders of one kind see them is worked out once."""

    def __init__(self, desk: Desk, stock: Stock, now: int) -> None:
        self._desk = desk
        self._traits = stock.traits
        self._loads = Loads(stock.tx, desk.sites, now) if desk.counts else None
        self._standing = Standing(now, self._loads.today if self._loads is not None else {})
        self._plain = desk.plain and not stock.traits
        self._seen: dict[object, _Looked] = {}

    def look(self, parcel: Parcel, pieces: Sequence[Piece]) -> _Looked:
        if self._plain and not parcel.left_out:
            where = parcel.country, parcel.postal_code
            if where not in self._seen:
                self._seen[where] = self._looked(Ask(*where))
            return self._seen[where]
        ask = self._ask(parcel, pieces)
        if self._loads is not None or ask.left_out:
            return self._looked(ask)  # each order changes how the next one sees them
        key = ask.country, ask.postal_code, ask.needs, ask.units, ask.grams, ask.ship_by
        if key not in self._seen:
            self._seen[key] = self._looked(ask)
        return self._seen[key]

    def _ask(self, parcel: Parcel, pieces: Sequence[Piece]) -> Ask:
        needs: set[str] = set()
        grams = 0
        for piece in pieces:
            for item, per in piece.parts:
                if item in self._traits:
                    wants, weighs = self._traits[item]
                    needs |= wants
                    grams += weighs * per * piece.quantity
        service = self._desk.rules.services.get(parcel.service.casefold()) if self._desk.rules.services else None
        return Ask(
            parcel.country,
            parcel.postal_code,
            frozenset(needs | {service} if service else needs),
            sum(piece.quantity for piece in pieces),
            grams,
            parcel.ship_by,
            parcel.left_out,
        )

    def _looked(self, ask: Ask) -> _Looked:
        ranked, worth = candidates(self._desk.sites, self._desk.rules, ask, self._standing)
        rank = msgspec.json.encode(self._desk.rules.rank).decode()
        return _Looked(ranked, worth, f'"rank":{rank},"candidates":{msgspec.json.encode(ranked).decode()}')

    def given(self, location_id: int, units: Mapping[int, int]) -> None:
        if self._loads is not None:
            self._loads.add(location_id, sum(units.values()))

    def end(self) -> None:
        if self._loads is not None:
            self._loads.write()


def _missing(parcel: Parcel) -> int:
    """Units of the order that are not promised yet."""
    return sum(claim.backordered + claim.held for claim in parcel.claims)


def _told(decision: Decision, looked: _Looked) -> str:
    """The decision as JSON, all but its end: what one location is asked for."""
    told = f'{{"rule":"{decision.rule}",{looked.told}'
    if decision.lacks:
        told += f',"lacks":{msgspec.json.encode(decision.lacks).decode()}'
    if len(decision.shares) > 1:
        shares = {share.location_id: share.units for share in decision.shares}
        told += f',"shares":{msgspec.json.encode(shares).decode()}'
    return f'{told},"at_least":{decision.at_least}' if decision.at_least else told


def _all_or_nothing(decision: Decision, claims: Mapping[int, Claim]) -> Decision:
    """The same without its shares: what they would have sent waits with the rest."""
    waits = dict(decision.waits)
    for share in decision.shares:
        for line_id, count in share.units.items():
            waits[line_id] = waits.get(line_id, 0) + count
    unplaced = sum(claim.reserved - claim.allocated for claim in claims.values())
    reason = decision.reason or Reason.INCOMPLETE
    return msgspec.structs.replace(decision, shares=(), unplaced=unplaced, waits=waits, reason=reason)


def _wait(parcel: Parcel, decision: Decision, ranked: Sequence[Candidate], told: str) -> Wait:
    reason = decision.reason or Reason.SPLIT
    those = [one for one in ranked if one.by == reason]
    if those:
        why = "; ".join(f"{one.location}: {one.dropped}" for one in those)
    elif reason is Reason.KEPT:
        why = "what is left is kept for the locations' own counters"
    elif reason is Reason.INCOMPLETE:
        why = "it ships complete, and not all of it can be had yet"
    else:
        why = decision.rule
    due = min((one.retry_at for one in ranked if one.retry_at is not None), default=None)
    return Wait(parcel.order_id, reason, why, told + "}", due)


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
        rows.append((wait.order_id, wait.reason.value, wait.why, wait.decision, since, wait.due_at, desk.digest))
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
