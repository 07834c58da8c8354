"""Promising stock to order lines, and binding what was promised to locations: within one transaction, under lock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from core.model import Parts
from core.routing import Candidate, Piece, candidates, route
from core.store import tables
from core.store.database import Tx
from core.store.moves import Stock
from core.sync.channel import Channel

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


class Parcel(msgspec.Struct, gc=False):
    """What one order still needs a location for."""

    order_id: int
    country: str
    postal_code: str
    claims: list[Claim]
    given_back: dict[int, int] = {}
    """By line: promised units that could be sent from nowhere, and so are promised no more."""


def reserve(claims: Iterable[Claim], stock: Stock) -> None:
    """Promises what is free, first come first served. What two lines take of one item is summed by construction."""
    for claim in claims:
        if claim.parts is not None and claim.open > claim.reserved:
            claim.reserved += stock.reserve(claim.parts, claim.open - claim.reserved)


class Binding(msgspec.Struct, frozen=True, gc=False):
    """One fulfilment order to be: what a location is asked to send, and why it."""

    order_id: int
    location_id: int
    decision: str
    """JSON: the rule, the locations passed over as short, every candidate with its rank or why it was dropped, and the
    units by line, which stay true when some are called off later."""
    units: Mapping[int, int]
    """By line."""


def allocate(channel: Channel, parcels: Iterable[Parcel], stock: Stock) -> list[Binding]:
    """Routes what is promised but not bound, and binds the stock.

    What no location can send whole is given back: a kit whose parts stand apart, units that went where the channel
    does not ship from. Only an order that may not be split keeps its promise, and waits for one location to hold it.
    """
    ranked: dict[tuple[str, str], tuple[tuple[Candidate, ...], str]] = {}
    bindings = []
    for parcel in parcels:
        claims = {claim.line_id: claim for claim in parcel.claims if claim.parts and claim.reserved > claim.allocated}
        if not claims:
            continue
        where = parcel.country, parcel.postal_code
        if where not in ranked:
            found = candidates(channel.sites, channel.routing.rank, *where)
            ranked[where] = found, msgspec.json.encode(found).decode()
        able, told = ranked[where]
        pieces = [
            Piece(claim.line_id, claim.parts or (), claim.reserved - claim.allocated) for claim in claims.values()
        ]
        decision = route(pieces, stock.free_at, able, split=channel.routing.split)
        reason = f'{{"rule":"{decision.rule}","short":{list(decision.short)},"candidates":{told}'
        for share in decision.shares:
            units = ",".join([f'"{line_id}":{count}' for line_id, count in share.units.items()])
            bindings.append(Binding(parcel.order_id, share.location_id, f'{reason},"units":{{{units}}}}}', share.units))
            for line_id, count in share.units.items():
                stock.allocate(claims[line_id].parts or (), count, share.location_id)
                claims[line_id].allocated += count
        if channel.routing.split:
            _give_back(parcel, claims.values(), stock)
    return bindings


def _give_back(parcel: Parcel, claims: Iterable[Claim], stock: Stock) -> None:
    for claim in claims:
        units = claim.reserved - claim.allocated
        if units:
            stock.release(claim.parts or (), units)
            claim.reserved -= units
            parcel.given_back[claim.line_id] = units


def write_bindings(tx: Tx, bindings: Sequence[Binding], now: int) -> None:
    """The fulfilment orders of `bindings`; their lines must be stored already."""
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


def write_reservations(tx: Tx, claims: Iterable[Claim], *, known: bool = False) -> None:
    """The reservation rows of `claims`; `known` when the lines may have rows already, which are replaced."""
    claims = list(claims)
    if known:
        tx.run("DELETE FROM reservations WHERE line_id IN :ids", ids=[claim.line_id for claim in claims])
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
