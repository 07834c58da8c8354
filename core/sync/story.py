"""One order as its operator reads it: counters, holds, the work and why it went where it went, parcels, and what
happened when. A buyer's name, street, telephone and e-mail are told only where they are asked for.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from core.expected import Hope
from core.routing.explain import explain
from core.settings import ChannelSettings
from core.store.database import Tx
from core.sync.confirm import told_number
from core.sync.exchange import is_exchange
from core.sync.expected import expected
from core.sync.status import ORDER_STATUS
from core.sync.story_back import CameBack, Coming, receipts_of, returns_of
from core.sync.story_undone import CalledOff, GivenBack, called_off, refunds_of

PLACE = ("city", "region", "postal_code", "country")
WHOLE = ("name", "company", "line1", "line2", *PLACE, "phone", "email")


class Happening(msgspec.Struct, frozen=True, order=True):
    """One thing on an order's timeline."""

    at: int
    """Microseconds since 1970 UTC."""
    what: str


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """Why an order, or one of its lines, may not ship yet."""

    hold: str
    """One of `core.model.Hold`; or unknown_sku, which holds its line alone."""
    by: str
    why: str
    since: int
    """Of an unknown SKU: when the order was taken in."""
    until: int | None = None
    """When it lifts by itself; None: when its cause is gone, or somebody lifts it."""


class Work(msgspec.Struct, kw_only=True):
    """What one location was asked to send, and why it."""

    id: int
    location: str
    state: str
    created_at: int
    released_at: int | None
    lines: list[dict[str, Any]]
    """`asked` units at first, of which `quantity` still count and `shipped` left; the rest was taken back."""
    why: list[str]
    """The decision in words: the rule, then each location as it was ranked or dropped."""


class Waiting(msgspec.Struct, kw_only=True):
    """Units wait for a location."""

    reason: str
    since: int
    due_at: int | None
    """When it is tried again; None: once stock, rules or locations change."""
    what: str
    why: list[str]
    """The decision in words, as a work's."""


class LeftOut(msgspec.Struct, kw_only=True):
    """A location that is not asked for this order any more."""

    location: str
    why: str
    actor: str
    at: int


class Parcel(msgspec.Struct, kw_only=True):
    """One shipment, and how far the channel has been told of it."""

    id: int
    location: str | None
    carrier: str
    tracking: str
    origin: str
    shipped_at: int
    voided_at: int | None
    """When it was found never to have left; its units came back."""
    void_why: str
    void_shown: bool
    """Void, and the channel was told of it or shows it: it has to be taken back there."""
    void_push: str | None
    """The state of the push that has it taken back; None where there is none: people have to."""
    lines: list[dict[str, Any]]
    push: str | None
    """The state of the push; None where there is nothing to tell, as the channel shipped it itself."""
    reason: str
    attempts: int


class Story(msgspec.Struct, kw_only=True):
    """Everything."""

    order: Any
    """The order's row."""
    status: str
    to: dict[str, str]
    lines: Sequence[Any]
    """The lines' rows, each with its item's SKU as `item`."""
    expected: Mapping[int, Hope]
    """By line: what covers the units that wait for stock."""
    holds: list[Holding]
    set_aside: Sequence[Any]
    """The rows of the holds that an operator set aside and that their cause still asks for."""
    work: list[Work]
    waiting: Waiting | None
    left_out: list[LeftOut]
    parcels: list[Parcel]
    cancellations: list[CalledOff]
    refunds: list[GivenBack]
    exchange: bool
    """Made here, to send other units instead of what came back: its channel does not know it."""
    returns: list[Coming]
    receipts: list[CameBack]
    acknowledgement: Any
    """The row of its push, or None."""
    documents: int
    timeline: list[Happening]


def tell(tx: Tx, order: Any, *, buyer: bool = False, channels: Mapping[str, ChannelSettings] | None = None) -> Story:
    """The story of an order, given its row. `channels` says whose orders are served before whose."""
    lines = tx.rows(
        "SELECT l.*, i.sku AS item FROM lines l LEFT JOIN items i ON i.id = l.item_id"
        " WHERE l.order_id = :id ORDER BY l.id",
        id=order.id,
    )
    names = {row.id: row.name for row in tx.rows("SELECT id, name FROM locations")}
    skus = {row.id: row.sku or row.title for row in lines}
    holds = _holds(tx, order, lines)
    pushes = tx.rows(
        "SELECT p.*, s.tracking FROM pushes p LEFT JOIN shipments s ON s.id = p.shipment_id"
        " WHERE p.order_id = :id ORDER BY p.id",
        id=order.id,
    )
    seen = tx.rows("SELECT observed_at FROM documents WHERE order_id = :id ORDER BY id", id=order.id)
    told = tx.rows("SELECT * FROM audit WHERE order_id = :id ORDER BY id", id=order.id)
    ours = is_exchange(tx, order.id)
    work = _work(tx, order.id, names, skus)
    parcels = _parcels(tx, order.id, names, skus, pushes)
    numbers = {row.number: row.sku or row.title for row in lines}
    cancellations = [called_off(row, numbers) for row in pushes if row.kind == "cancel"]
    refunds = refunds_of(tx, order.id, numbers, pushes)
    return Story(
        order=order,
        status=str(tx.value(f"SELECT {ORDER_STATUS} FROM orders o WHERE o.id = :id", id=order.id)),
        to=_to(tx, order.id, WHOLE if buyer else PLACE),
        lines=lines,
        expected=expected(tx, [order.id], channels),
        holds=holds,
        set_aside=tx.rows("SELECT * FROM overrides WHERE order_id = :id ORDER BY hold", id=order.id),
        work=work,
        waiting=_waiting(tx, order.id, skus),
        left_out=_left_out(tx, order.id, names),
        parcels=parcels,
        cancellations=cancellations,
        refunds=refunds,
        exchange=ours,
        returns=returns_of(tx, order),
        receipts=receipts_of(tx, order.id, names),
        acknowledgement=next((row for row in pushes if row.kind == "acknowledge"), None),
        documents=len(seen),
        timeline=sorted(
            [
                *_of_arrival(order, ours),
                *(Happening(row.observed_at, "seen changed at the channel") for row in seen[1:]),
                *_of_holds(holds, told),
                *(Happening(row.at, f"{row.event}: {row.detail} ({row.actor})") for row in told),
                *_of_work(work),
                *_of_parcels(parcels),
                *_of_pushes(pushes),
                *_of_refunds(refunds, order.currency),
            ],
            key=lambda happening: happening.at,
        ),
    )


def _of_arrival(order: Any, ours: bool) -> Iterator[Happening]:
    if not ours:  # what was made here says so itself
        yield Happening(order.placed_at, "placed at the channel")
        yield Happening(order.imported_at, "taken in")


def _to(tx: Tx, order_id: int, columns: Sequence[str]) -> dict[str, str]:
    row = tx.row("SELECT * FROM buyers WHERE order_id = :id", id=order_id)
    return {} if row is None else {name: getattr(row, name) for name in columns}


def _holds(tx: Tx, order: Any, lines: Sequence[Any]) -> list[Holding]:
    found = [
        Holding(hold=row.hold, by=row.by, why=row.why, since=row.since, until=row.until)
        for row in tx.rows("SELECT * FROM holds WHERE order_id = :id ORDER BY since, hold", id=order.id)
    ]
    found += [
        Holding(
            hold="unknown_sku",
            by="ordersync",
            why=f"{row.held} of {row.sku or 'a line without SKU'}: map it, see `ordersync listings map`",
            since=order.imported_at,
        )
        for row in lines
        if row.held and row.item_id is None
    ]
    return found


def _of_holds(holds: Sequence[Holding], told: Sequence[Any]) -> Iterator[Happening]:
    """Those of which the timeline says nothing else: they came with the order."""
    known = {row.at for row in told if row.event == "held"}
    for one in holds:
        if one.since not in known:
            why = f": {one.why}" if one.why else ""
            yield Happening(one.since, f"held: {one.hold} (by {one.by}){why}")


def _work(tx: Tx, order_id: int, names: dict[int, str], skus: dict[int, str]) -> list[Work]:
    lines: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in tx.rows(
        "SELECT w.*, f.decision FROM fulfilment_lines w JOIN fulfilment_orders f ON f.id = w.fulfilment_order_id"
        " WHERE f.order_id = :id ORDER BY w.line_id",
        id=order_id,
    ):
        at_first = json.loads(row.decision).get("units", {}).get(str(row.line_id), row.quantity)
        counts = {"asked": at_first, "quantity": row.quantity, "shipped": row.shipped}
        lines[row.fulfilment_order_id].append({"line_id": row.line_id, "sku": skus[row.line_id], **counts})
    return [
        Work(
            id=row.id,
            location=names[row.location_id],
            state=row.state,
            created_at=row.created_at,
            released_at=row.released_at,
            lines=lines[row.id],
            why=explain(row.decision, row.location_id, skus),
        )
        for row in tx.rows("SELECT * FROM fulfilment_orders WHERE order_id = :id ORDER BY id", id=order_id)
    ]


def _waiting(tx: Tx, order_id: int, skus: Mapping[int, str]) -> Waiting | None:
    row = tx.row("SELECT * FROM parked WHERE order_id = :id", id=order_id)
    if row is None:
        return None
    why = explain(row.decision, 0, skus)
    return Waiting(reason=row.reason, since=row.since, due_at=row.due_at, what=row.why, why=why)


def _left_out(tx: Tx, order_id: int, names: Mapping[int, str]) -> list[LeftOut]:
    return [
        LeftOut(location=names[row.location_id], why=row.why, actor=row.actor, at=row.at)
        for row in tx.rows("SELECT * FROM left_out WHERE order_id = :id ORDER BY at, location_id", id=order_id)
    ]


def _parcels(tx: Tx, order_id: int, names: dict[int, str], skus: dict[int, str], pushes: Sequence[Any]) -> list[Parcel]:
    lines: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in tx.rows(
        "SELECT u.* FROM shipment_lines u JOIN shipments s ON s.id = u.shipment_id"
        " WHERE s.order_id = :id ORDER BY u.line_id",
        id=order_id,
    ):
        left = {"line_id": row.line_id, "sku": skus.get(row.line_id, ""), "quantity": row.quantity}
        lines[row.shipment_id].append(left)
    told = {row.shipment_id: row for row in pushes if row.kind == "tracking"}
    backs = {row.shipment_id: row for row in pushes if row.kind == "void"}
    found = []
    for row in tx.rows("SELECT * FROM shipments WHERE order_id = :id ORDER BY shipped_at, id", id=order_id):
        push = told.get(row.id)
        found.append(
            Parcel(
                id=row.id,
                location=names.get(row.location_id),
                carrier=row.carrier,
                tracking=row.tracking,
                origin=row.origin,
                shipped_at=row.shipped_at,
                voided_at=row.voided_at,
                void_why=row.void_why,
                void_shown=bool(row.void_shown),
                void_push=backs[row.id].state if row.id in backs else None,
                lines=lines[row.id],
                push=push.state if push else None,
                reason=push.reason if push else "",
                attempts=push.attempts if push else 0,
            )
        )
    return found


def units(lines: Sequence[dict[str, Any]], count: str = "quantity") -> str:
    """Lines as people say them: "2 TEE-RED, 1 MUG". Those of which there are none are left out."""
    return ", ".join(f"{line[count]} {line['sku']}" for line in lines if line[count])


def asked(work: Work) -> str:
    """What a location was asked for, and what of it was taken back since: "2 TEE-RED, of which 1 was taken back"."""
    off = sum(line["asked"] - line["quantity"] for line in work.lines)
    if not off:
        return units(work.lines)
    if not any(line["quantity"] for line in work.lines):
        return f"{units(work.lines, 'asked')}, all taken back"
    return f"{units(work.lines, 'asked')}, of which {off} {'was' if off == 1 else 'were'} taken back"


def _of_work(work: Sequence[Work]) -> Iterator[Happening]:
    for one in work:
        yield Happening(one.created_at, f"{one.location} was chosen for {units(one.lines, 'asked')}")
        if one.released_at is not None:
            yield Happening(one.released_at, f"released to {one.location}")


def _of_parcels(parcels: Sequence[Parcel]) -> Iterator[Happening]:
    for one in parcels:
        where = f" from {one.location}" if one.location else ""
        by = " by somebody at the channel" if one.origin == "channel" else ""
        yield Happening(one.shipped_at, f"{units(one.lines)} left{where}{by}: {one.carrier} {one.tracking}")


def _of_pushes(pushes: Sequence[Any]) -> Iterator[Happening]:
    for row in pushes:
        what = {"acknowledge": "acknowledgement", "cancel": "cancellation", "void": "taking the void parcel back"}.get(
            row.kind, row.kind
        )
        if row.kind == "tracking":
            what = f"tracking {told_number(row)}"
        reason = f": {row.reason}" if row.reason else ""
        yield Happening(row.updated_at or row.created_at, f"{what} is {row.state} at the channel{reason}")


def _of_refunds(refunds: Sequence[GivenBack], currency: str) -> Iterator[Happening]:
    for one in refunds:
        if one.state == "given":
            # By somebody there, or by the channel itself as it cancelled units for us: it does not say.
            by = " at the channel" if one.origin == "channel" else ""
            amount = Decimal(one.amount) / 1_000_000
            yield Happening(one.at, f"{amount:.2f} {currency} given back{by} (refund {one.number})")
