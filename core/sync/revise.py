"""A newer version of an order we have: the difference is released, reserved, or noted; nothing is done twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from core.connector import Ability
from core.plurals import are, many
from core.store import tables
from core.store.database import Tx
from core.store.moves import Stock
from core.sync.channel import Channel
from core.sync.confirm import Shown, confirm
from core.sync.outside import Outside
from core.sync.promise import TAKEN_BACK, nowhere
from core.sync.refunded import write_refunds
from core.sync.revision import LineChange, Revision
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
from core.sync.stored import close_fulfilment, give_back
from core.sync.void import still_shown

LEFT_ALREADY = "cancelled after shipping"
LESS_THAN_LEFT = "edited after shipping"
TOO_LATE = "address changed after release"

REVIVED = ("paid after its promise expired", "it is promised stock again, as far as there is any")
"""On a timeline: an expiry is over."""


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
                revision.events.append(
                    ("recalled", f"{many(released, 'unit')} a location was asked to send {are(released)} cancelled")
                )
        if revision.rerouted and claim.parts is not None:
            if any(one.state == "released" and one.open for one in change.bound):
                revision.events.append((TOO_LATE, f"{change.number} is being sent to the old one; tell its location"))
            for one in change.bound:
                if one.state == "planned" and one.open:
                    stock.allocate(claim.parts, -one.open, one.location_id)
                    claim.allocated -= one.open
                    one.quantity = one.shipped


def wanted_anew(revisions: Iterable[Revision]) -> dict[int, int]:
    """By line, the units that it may be promised at once: those that did not wait already.

    What waits is given its turn (`core.sync.turns`): a newer version must not bring it before others. What was promised
    nothing as nobody paid stood in no queue, and is wanted anew.
    """
    found: dict[int, int] = {}
    for revision in revisions:
        for change in revision.changes if revision.may_reserve else ():
            waited = change.row.backordered if change.row is not None and not revision.expired else 0
            found[change.claim.line_id] = change.claim.backordered - waited
    return found


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
