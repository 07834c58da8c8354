"""A newer version of an order we have: the difference is released, reserved, or noted; nothing is done twice."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.connector import Ability
from core.model import Fulfiller, Hold, Line, Order
from core.store import tables
from core.store.catalogue import Listed
from core.store.database import Tx
from core.store.moves import Stock
from core.sync.allocate import load_left_out
from core.sync.channel import Channel
from core.sync.confirm import Shown, confirm
from core.sync.observe import Seen
from core.sync.outside import Outside
from core.sync.promise import TAKEN_BACK, Claim, nowhere
from core.sync.refunded import write_refunds
from core.sync.rows import (
    BUYER_COLUMNS,
    FIRST_COLUMNS,
    LINE_COLUMNS,
    ORDER_COLUMNS,
    buyer_values,
    first_values,
    line_values,
    order_values,
    tell,
    want_acknowledgement,
    write_documents,
    write_holds,
)
from core.sync.stored import Bound, close_fulfilment, give_back, load_bound, parts_of_lines
from core.sync.void import VoidParcel, load_voids, still_shown

LEFT_ALREADY = "cancelled after shipping"
LESS_THAN_LEFT = "edited after shipping"
TOO_LATE = "address changed after release"

UNPAID = frozenset({Hold.PENDING.value, Hold.PAYMENT.value})
"""The holds of an order that is not paid, or not confirmed, yet."""

CHANNELS_OWN = frozenset(hold.value for hold in Hold) - {Hold.OPERATOR.value, Hold.PREORDER.value}
"""The holds a channel may set."""

REVIVED = ("paid after its promise expired", "it is promised stock again, as far as there is any")
"""On a timeline: an expiry is over."""


@dataclass(slots=True)
class LineChange:
    """One line before and after: `row` is None for a line that was added, `line` for one that was taken away."""

    row: Any
    line: Line | None
    item_id: int | None
    claim: Claim
    bound: list[Bound]
    shipped: int = 0
    cancelled: int = 0
    ordered: int = 0
    cancelling: int = 0
    """Of the cancelled units, those cancelled here that the channel does not show as cancelled yet."""
    overtaken: int = 0
    """Units cancelled here that have turned out to have left."""
    late: int = 0
    """Units its channel has cancelled that had left."""

    @property
    def number(self) -> str:
        return self.line.number if self.line is not None else str(self.row.number)


@dataclass(slots=True)
class Revision:
    """One order's change, loaded before anything moves."""

    row: Any
    seen: Seen
    order: Order
    moves_stock: bool
    """False for the channel's own fulfilment and test orders."""
    holds: set[str]
    """Holds that are not the channel's own, and so stay."""
    channel_holds: set[str]
    overridden: set[str]
    """Holds of the channel that an operator set aside: they stand no more, as often as it says them."""
    expired: bool
    """It waited too long for its payment: it is promised nothing until that is there."""
    trackings: frozenset[str]
    voids: Sequence[VoidParcel]
    rerouted: bool
    """The address changed: what is not released yet is routed anew."""
    left_out: Mapping[int, str]
    """Locations that are out of the question for it, and why."""
    changes: list[LineChange] = field(default_factory=list)
    events: list[tuple[str, str]] = field(default_factory=list)

    def claims(self) -> Iterator[Claim]:
        return (change.claim for change in self.changes)

    def items(self) -> set[int]:
        return {item for claim in self.claims() for item, _ in claim.parts or ()}

    @property
    def said(self) -> set[str]:
        """What the channel holds it for now, less what an operator set aside."""
        return {hold.value for hold in self.order.holds} - self.overridden

    @property
    def may_route(self) -> bool:
        return self.moves_stock and not self.said and not self.holds

    @property
    def may_reserve(self) -> bool:
        return not self.expired or not self.said & UNPAID


def load(tx: Tx, newer: Sequence[tuple[Any, Seen, Order]], listed: dict[str, Listed]) -> list[Revision]:
    """Everything the changes of known, locked orders need."""
    if not newer:
        return []
    ids = [row.id for row, _, _ in newer]
    lines: defaultdict[int, dict[str, Any]] = defaultdict(dict)
    for row in tx.rows("SELECT * FROM lines WHERE order_id IN :ids ORDER BY id", ids=ids):
        lines[row.order_id][row.number] = row
    line_ids = [row.id for found in lines.values() for row in found.values()]
    parts = parts_of_lines(tx, line_ids, [row.item_id for found in lines.values() for row in found.values()])
    bound = load_bound(tx, line_ids)
    holds: defaultdict[tuple[int, str], set[str]] = defaultdict(set)
    for row in tx.rows(
        "SELECT order_id, hold, CASE WHEN \"by\" = 'channel' THEN 'channel' ELSE 'own' END AS kind FROM holds"
        " WHERE order_id IN :ids UNION ALL SELECT order_id, hold, 'overridden' FROM overrides WHERE order_id IN :ids"
        " UNION ALL SELECT order_id, '', 'expired' FROM expiries WHERE order_id IN :ids",
        ids=ids,
    ):
        holds[row.order_id, row.kind].add(row.hold)
    trackings: defaultdict[int, set[str]] = defaultdict(set)
    parcels = tx.rows(
        "SELECT order_id, id, tracking, voided_at, void_shown FROM shipments WHERE order_id IN :ids"
        " UNION ALL SELECT order_id, shipment_id, tracking, NULL, NULL FROM corrections WHERE order_id IN :ids",
        ids=ids,
    )
    for row in parcels:
        trackings[row.order_id].add(row.tracking)
    voids = load_voids(tx, parcels)
    codes = {
        row.order_id: (row.country, row.postal_code)
        for row in tx.rows("SELECT order_id, country, postal_code FROM buyers WHERE order_id IN :ids", ids=ids)
    }
    left_out = load_left_out(tx, ids)
    added = iter(
        tx.ids(tables.lines, sum(line.number not in lines[row.id] for row, _, order in newer for line in order.lines))
    )
    revisions = []
    for row, seen, order in newer:
        to = order.ship_to
        ours = order.fulfiller is Fulfiller.MERCHANT and not order.test
        revision = Revision(
            row=row,
            seen=seen,
            order=order,
            moves_stock=ours,
            holds=holds[row.id, "own"],
            channel_holds=holds[row.id, "channel"],
            overridden=holds[row.id, "overridden"] & CHANNELS_OWN,
            expired=bool(holds[row.id, "expired"]),
            trackings=frozenset(trackings[row.id]),
            voids=voids.get(row.id, ()),
            rerouted=to is not None and codes.get(row.id) not in (None, ("", ""), (to.country, to.postal_code)),
            left_out=left_out[row.id],
        )
        stored = lines[row.id]
        now_there = {line.number: line for line in order.lines}
        for number in {**stored, **now_there}:
            was, line = stored.get(number), now_there.get(number)
            found = listed.get(line.sku) if line else None
            if was is None:
                parts_now = found.parts if found and ours else None
                claim = Claim(next(added), parts_now, 0)
                item_id = found.item_id if found else None
            else:
                item_id = was.item_id if was.item_id is not None or found is None else found.item_id
                parts_now = parts.get(was.id) or (found.parts if found else None)
                claim = Claim(
                    was.id,
                    parts_now,
                    was.ordered - was.cancelled - was.shipped,
                    reserved=was.reserved,
                    allocated=was.allocated,
                )
            revision.changes.append(LineChange(was, line, item_id, claim, bound[claim.line_id]))
        revisions.append(revision)
    return revisions


def revise(revision: Revision, stock: Stock, outside: Outside) -> None:
    """Brings each line's claim to what its channel says now. What it wants more is reserved afterwards."""
    void: Counter[str] = Counter()
    for parcel in still_shown(revision.order, revision.voids):
        void.update(parcel.units)
    for change in revision.changes:
        _count(revision, change, void[change.number])
        claim = change.claim
        already = change.row.shipped if change.row is not None else 0
        outside.take(
            revision.row.id,
            revision.order,
            change.number,
            claim,
            change.shipped - already,
            change.shipped,
            move=revision.moves_stock,
            bound=change.bound,
            known=revision.trackings,
        )
        claim.open = change.ordered - change.cancelled - change.shipped
        if not revision.moves_stock:
            give_back(claim, change.bound, stock, claim.reserved)
            claim.parts = None
        elif claim.reserved > claim.open:
            released = give_back(claim, change.bound, stock, claim.reserved - claim.open)
            if released:
                revision.events.append(("recalled", f"{released} units a location was asked to send are cancelled"))
        if revision.rerouted and claim.parts is not None:
            if any(one.state == "released" and one.open for one in change.bound):
                revision.events.append((TOO_LATE, f"{change.number} is being sent to the old one; tell its location"))
            for one in change.bound:
                if one.state == "planned" and one.open:
                    stock.allocate(claim.parts, -one.open, one.location_id)
                    claim.allocated -= one.open
                    one.quantity = one.shipped


def note_given_back(revision: Revision, given_back: Mapping[int, int]) -> None:
    """Tells of promises, by line, that were kept from before and that routing had to give back."""
    for change in revision.changes:
        claim, was = change.claim, change.row
        lost = min(was.reserved, claim.open) - claim.reserved if was is not None else 0
        if claim.line_id in given_back and lost > 0:
            revision.events.append((TAKEN_BACK, nowhere(lost, was.sku)))


def _count(revision: Revision, change: LineChange, void: int) -> None:
    """The line's counts after the change. What has shipped here stays shipped, whatever the channel says.

    `void`: units the channel counts as shipped that are in parcels that never left.
    """
    was, line = change.row, change.line
    already = was.shipped if was is not None else 0
    if line is None:  # taken away by an edit: what is open is cancelled
        change.ordered, change.shipped, change.cancelled = was.ordered, already, was.ordered - already
        change.late = already
    else:
        change.shipped = max(line.shipped - void, already)
        change.late = max(0, line.cancelled + change.shipped - line.ordered)
        change.ordered = max(line.ordered, change.shipped)
        if change.ordered > line.ordered:
            told = f"{line.sku}: the channel says {line.ordered} ordered, {change.shipped} left already"
            revision.events.append((LESS_THAN_LEFT, told))
        change.cancelled = min(line.cancelled, change.ordered - change.shipped)
        if line.cancelled > change.cancelled:
            late = line.cancelled - change.cancelled
            revision.events.append((LEFT_ALREADY, f"{late} of {line.sku}: they left already"))
        if was is not None and was.cancelling:
            _keep_cancelled(revision, change)
    before = was.cancelled if was is not None else 0
    sku = line.sku if line is not None else was.sku
    if change.cancelled > before and was is not None:
        revision.events.append(("cancelled at the channel", f"{change.cancelled - before} of {sku}"))
    if was is not None and change.ordered != was.ordered:
        revision.events.append(("edited at the channel", f"{sku}: {was.ordered} ordered became {change.ordered}"))
    if was is None:
        revision.events.append(("edited at the channel", f"{change.ordered} of {sku} added"))


def _keep_cancelled(revision: Revision, change: LineChange) -> None:
    """Units cancelled here stay cancelled although the channel still shows them open; what it shows more is theirs."""
    was = change.row
    shown = change.cancelled
    confirmed = min(was.cancelling, max(0, shown - (was.cancelled - was.cancelling)))
    waiting = was.cancelling - confirmed
    change.cancelled = min(shown + waiting, change.ordered - change.shipped)
    change.cancelling = change.cancelled - shown
    change.overtaken = waiting - change.cancelling
    if confirmed:
        revision.events.append(("cancellation confirmed", f"the channel shows {confirmed} of {was.sku} as cancelled"))
    if change.overtaken:
        revision.events.append(("shipped although cancelled", f"{change.overtaken} of {was.sku} left at the channel"))


def write_revisions(tx: Tx, channel: Channel, revisions: Sequence[Revision], observed_at: int, now: int) -> None:
    """The rows of changed orders, lines and fulfilment lines, and what their timelines say."""
    if not revisions:
        return
    tx.update(
        tables.orders,
        ("id",),
        ORDER_COLUMNS,
        [(r.row.id, *order_values(r.seen, r.order, observed_at, now)) for r in revisions],
    )
    tx.update(
        tables.buyers,
        ("order_id",),
        BUYER_COLUMNS,
        [(r.row.id, *buyer_values(r.order)) for r in revisions if r.order.ship_to is not None],
    )
    added, kept = [], []
    tx.update(tables.lines, ("id",), ("cancelling",), _cancelling(revisions))
    _write_late(tx, revisions)
    for revision in revisions:
        for change in revision.changes:
            values = _line_values(change)
            if change.row is None and change.line is not None:
                first = first_values(change.line, change.claim)
                added.append((change.claim.line_id, revision.row.id, change.line.number, *values, *first))
            else:
                kept.append((change.claim.line_id, *values))
    tx.update(tables.lines, ("id",), LINE_COLUMNS, kept)
    tx.insert(tables.lines, ("id", "order_id", "number", *LINE_COLUMNS, *FIRST_COLUMNS), added)
    close_fulfilment(tx, [one for r in revisions for change in r.changes for one in change.bound])
    write_documents(tx, [(r.row.id, r.seen, r.order) for r in revisions], observed_at)
    _write_holds(tx, revisions, now)
    if Ability.ACKNOWLEDGE in channel.connector.abilities:
        want_acknowledgement(tx, channel, [r.row.id for r in revisions if not r.order.acknowledged], now)
    write_refunds(tx, [(r.row.id, r.order) for r in revisions if r.order.refunds])
    confirm(tx, [_shown(revision) for revision in revisions], now)
    _tell(tx, channel, revisions, now)


def _line_values(change: LineChange) -> tuple[Any, ...]:
    claim = change.claim
    if change.line is not None:
        head = line_values(change.line, change.item_id, claim)[:7]
    else:
        # Taken away by an edit: what it cost is no part of the order's money any more.
        gone = {"unit_price": 0, "tax": 0, "discount": 0}
        head = tuple(gone.get(name, getattr(change.row, name)) for name in LINE_COLUMNS[:7])
    counts = (change.ordered, change.cancelled, change.shipped)
    return (*head, *counts, claim.reserved, claim.backordered, claim.held, claim.allocated)


def _write_holds(tx: Tx, revisions: Sequence[Revision], now: int) -> None:
    """The channel's holds become what it says now; one that comes or goes is told.

    One that an operator set aside is forgotten once the channel says it no more: said again, it is a new one.
    """
    for revision in revisions:
        stays = revision.said
        revision.events += [("held", new) for new in sorted(stays - revision.channel_holds - revision.holds)]
        for gone in sorted(revision.channel_holds - stays):
            tx.run("DELETE FROM holds WHERE order_id = :id AND hold = :hold", id=revision.row.id, hold=gone)
            revision.events.append(("hold lifted", gone))
        for over in sorted(revision.overridden - {hold.value for hold in revision.order.holds}):
            tx.run("DELETE FROM overrides WHERE order_id = :id AND hold = :hold", id=revision.row.id, hold=over)
            revision.events.append(("hold lifted", f"{over}, which was set aside before"))
        if revision.expired and revision.may_reserve:
            tx.run("DELETE FROM expiries WHERE order_id = :id", id=revision.row.id)
            revision.events.append(REVIVED)
    wanted = [(one.row.id, hold) for one in revisions for hold in one.order.holds if hold.value in one.said]
    write_holds(tx, wanted, now)


def _tell(tx: Tx, channel: Channel, revisions: Sequence[Revision], now: int) -> None:
    """The timelines. A change that came after the parcel stands in every later version, and is told once."""
    once = [LEFT_ALREADY, LESS_THAN_LEFT]
    late = [r.row.id for r in revisions if any(event in once for event, _ in r.events)]
    told = {
        (row.order_id, row.event, row.detail)
        for row in tx.rows(
            "SELECT order_id, event, detail FROM audit WHERE order_id IN :ids AND event IN :once",
            ids=late,
            once=once,
        )
    } if late else set()  # fmt: skip
    events = [(r.row.id, event, detail) for r in revisions for event, detail in r.events]
    tell(tx, [event for event in events if event not in told], channel, now)


def _cancelling(revisions: Sequence[Revision]) -> list[tuple[int, int]]:
    """The lines of which fewer units wait for their cancellation to be shown: by id, how many still do."""
    return sorted(
        (change.row.id, change.cancelling)
        for revision in revisions
        for change in revision.changes
        if change.row is not None and change.row.cancelling != change.cancelling
    )


def _write_late(tx: Tx, revisions: Sequence[Revision]) -> None:
    """What the channel has cancelled too late, and which void parcels it shows, where either is another than before."""
    late = [
        (change.row.id, change.late)
        for revision in revisions
        for change in revision.changes
        if change.row is not None and change.row.late != change.late
    ]
    tx.update(tables.lines, ("id",), ("late",), sorted(late))
    for revision in revisions:
        if revision.voids:
            shown = still_shown(revision.order, revision.voids)
            turned = [(one.id, not one.shown) for one in revision.voids if one.shown != (one in shown)]
            tx.update(tables.shipments, ("id",), ("void_shown",), turned)


def _shown(revision: Revision) -> Shown:
    return Shown(
        revision.row.id,
        revision.order,
        {change.number: change.cancelling for change in revision.changes if change.cancelling},
        {change.number: change.overtaken for change in revision.changes if change.overtaken},
    )
