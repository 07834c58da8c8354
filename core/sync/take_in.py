"""Taking a page in: its documents, orders, lines, promises, bindings and cursor, in one transaction.

Any repetition or reordering of the same observations ends in the same state: an order is replaced only by a newer
version of itself, or by a later look at the same version that shows something else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from core.connector import Ability
from core.model import Fulfiller, Observation, Order, Page, micros
from core.store import tables
from core.store.catalogue import Listed, look_up
from core.store.database import Store, Tx
from core.sync.allocate import Parcel, allocate, write_routed
from core.sync.channel import Channel
from core.sync.expect import Taken, expect
from core.sync.observe import Seen, clean, digest, read
from core.sync.outside import Outside
from core.sync.promise import Claim, is_complete, reserve, write_reservations
from core.sync.refunded import write_refunds
from core.sync.revise import note_given_back, revise, wanted_anew, write_revisions
from core.sync.revision import Revision, load
from core.sync.rows import (
    BUYER_COLUMNS,
    FIRST_COLUMNS,
    LINE_COLUMNS,
    ORDER_COLUMNS,
    buyer_values,
    first_values,
    line_values,
    millionths,
    order_values,
    want_acknowledgement,
    write_documents,
    write_holds,
)


class Counts(msgspec.Struct, frozen=True):
    """What became of a page's observations: received = stored + repeated + quarantined."""

    received: int = 0
    stored: int = 0
    repeated: int = 0
    quarantined: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.received + other.received,
            self.stored + other.stored,
            self.repeated + other.repeated,
            self.quarantined + other.quarantined,
        )


Also = Callable[[Tx, Counts, int | None], None]
"""Something else to write with a page: given its counts, and when the newest of its orders was placed."""


def take_in(
    store: Store,
    channel: Channel,
    page: Page,
    observed_at: int,
    now: int,
    *,
    move: bool = True,
    live: bool = True,
    also: Also | None = None,
) -> Counts:
    """Takes one page in. `observed_at`: when it was asked for; `move`: whether the channel's cursor follows it;
    `live`: whether it shows orders as they stand, so that of equal versions the later look counts; `also` is written
    in the same transaction.

    Raises `Fenced` when another worker has taken up the channel; nothing is kept then.
    """
    changed, repeated = _sift(store, channel, page.observations)
    seen = read(channel.connector, changed)
    cursor = page.cursor if move else None

    def work(tx: Tx) -> Counts:
        counts = _take_in(tx, channel, seen, repeated, cursor, observed_at, now, len(changed), live)
        if also is not None:
            placed = [micros(one.order.placed_at) for one in seen if one.order is not None]
            also(tx, counts, max(placed, default=None))
        return counts

    return store.transact(work)


def _sift(store: Store, channel: Channel, observations: Sequence[Observation]) -> tuple[list[Observation], list[str]]:
    """The observations that may tell something new, and the numbers of those stored already, byte for byte.

    Pulls overlap, so most pages of a quiet channel are repeats: those are not even read.
    """
    with store.read() as tx:
        rows = tx.rows(
            "SELECT number, digest FROM orders WHERE channel_id = :channel AND number IN :numbers",
            channel=channel.id,
            numbers=[clean(one.number) for one in observations if one.number],
        )
    known = {row.number: bytes(row.digest) for row in rows}
    changed, repeated = [], []
    for one in observations:
        if one.number in known and known[one.number] == digest(one.body):
            repeated.append(one.number)
        else:
            changed.append(one)
    return changed, repeated


def _take_in(
    tx: Tx,
    channel: Channel,
    seen: Sequence[Seen],
    repeated: Sequence[str],
    cursor: str | None,
    observed_at: int,
    now: int,
    read_now: int,
    live: bool,
) -> Counts:
    channel.fence(tx)
    readable = {one.number: (one, one.order) for one in seen if one.order is not None}
    known = {
        row.number: row
        for row in tx.rows(
            "SELECT * FROM orders WHERE channel_id = :channel AND number IN :numbers ORDER BY id /*lock*/",
            channel=channel.id,
            numbers=list(readable),
        )
    }
    new = [pair for number, pair in readable.items() if number not in known]
    newer = [
        (known[number], *pair)
        for number, pair in readable.items()
        if number in known and _is_newer(*pair, known[number], observed_at if live else 0)
    ]
    if new or newer:
        new.sort(key=lambda pair: (pair[1].placed_at, pair[0].number))  # first come, first served
        _store(tx, channel, new, newer, observed_at, now)
    aside = _set_aside(tx, channel, [one for one in seen if one.order is None], observed_at, now)
    _resolve(tx, channel, [*readable, *repeated], observed_at, now)
    received, stored = read_now + len(repeated), len(new) + len(newer)
    counts = Counts(received, stored, received - stored - aside, aside)
    tx.run(
        "UPDATE channels SET cursor = COALESCE(:cursor, cursor),"
        " last_pull = COALESCE(:pulled, last_pull), received = received + :received,"
        " stored = stored + :stored, repeated = repeated + :repeated, quarantined = quarantined + :quarantined"
        " WHERE id = :id",
        id=channel.id,
        cursor=cursor,
        pulled=None if cursor is None else now,
        **msgspec.to_builtins(counts),
    )
    return counts


def _is_newer(one: Seen, order: Order, row: Any, observed_at: int) -> bool:
    if order.version != row.version:
        return bool(order.version > row.version)
    return one.digest != bytes(row.digest) and bool(observed_at > row.observed_at)


def _store(
    tx: Tx,
    channel: Channel,
    new: Sequence[tuple[Seen, Order]],
    newer: Sequence[tuple[Any, Seen, Order]],
    observed_at: int,
    now: int,
) -> None:
    skus = {line.sku for _, order in new for line in order.lines}
    skus |= {line.sku for _, _, order in newer for line in order.lines}
    listed = look_up(tx, channel.id, skus, by_sku=channel.settings.match == "sku")
    fresh = _begin(tx, new, listed)
    revisions = load(tx, newer, listed)
    claims = [claim for one in fresh for _, claim in one.lines]
    items = {item for claim in claims for item, _ in claim.parts or ()}
    stock = channel.stock(tx, items.union(*(revision.items() for revision in revisions)))
    outside = Outside(channel, stock)

    # What has left or is given back comes first, then those who want more, then the new. Who waits has a turn.
    for one in fresh:
        for line, (_, claim) in zip(one.order.lines, one.lines, strict=True):
            if line.shipped:
                move = _is_ours(one.order) and micros(one.order.placed_at) >= channel.since
                outside.take(one.id, one.order, line.number, claim, line.shipped, line.shipped, move=move)
    for revision in revisions:
        revise(revision, stock, outside)
    wanting = [claim for revision in revisions for claim in revision.claims()]
    reserve(wanting, stock, wanted_anew(revisions))
    reserve(claims, stock)
    again = [(r, _parcel(r.row.id, r.order, r.claims(), r.left_out)) for r in revisions if r.may_route]
    parcels = [parcel for _, parcel in again]
    parcels += [_parcel(one.id, one.order, [claim for _, claim in one.lines]) for one in fresh if not one.order.holds]
    if channel.settings.backorder == "whole":
        parcels = [parcel for parcel in parcels if is_complete(parcel.claims)]
    routed = allocate(channel, parcels, stock, now)
    for revision, parcel in again:
        note_given_back(revision, parcel.given_back)

    _write_fresh(tx, channel, fresh, observed_at, now)
    write_revisions(tx, channel, revisions, observed_at, now)
    outside.write(tx, now)
    write_reservations(tx, wanting, known=True)
    write_reservations(tx, claims)
    write_routed(tx, channel, routed, [revision.row.id for revision, _ in again], now)
    # What changed is no reason any more why a held order waits for a location: it is routed once its hold is lifted.
    if kept := [revision.row.id for revision in revisions if not revision.may_route]:
        tx.run("UPDATE parked SET due_at = 0 WHERE order_id IN :ids", ids=sorted(kept))
    stock.write(now)
    if Ability.PUSH_LEVELS in channel.connector.abilities:
        expect(tx, channel, _taken(fresh, revisions), listed, now)


class _Fresh(msgspec.Struct, gc=False):
    """The first sight of an order: its row's id, and item and claim of each of its lines."""

    seen: Seen
    order: Order
    id: int
    lines: list[tuple[int | None, Claim]]


def _begin(tx: Tx, new: Sequence[tuple[Seen, Order]], listed: dict[str, Listed]) -> list[_Fresh]:
    order_ids = iter(tx.ids(tables.orders, len(new)))
    line_ids = iter(tx.ids(tables.lines, sum(len(order.lines) for _, order in new)))
    fresh = []
    for one, order in new:
        ours = _is_ours(order)
        lines = []
        for line in order.lines:
            found = listed.get(line.sku)
            parts = found.parts if found and ours else None
            claim = Claim(next(line_ids), parts, line.ordered - line.cancelled - line.shipped)
            lines.append((found.item_id if found else None, claim))
        fresh.append(_Fresh(one, order, next(order_ids), lines))
    return fresh


def _is_ours(order: Order) -> bool:
    """Whether its units come out of the seller's own stock."""
    return order.fulfiller is Fulfiller.MERCHANT and not order.test


def _parcel(order_id: int, order: Order, claims: Iterable[Claim], left_out: Mapping[int, str] = {}) -> Parcel:
    to = order.ship_to
    return Parcel(
        order_id,
        to.country if to else "",
        to.postal_code if to else "",
        list(claims),
        left_out,
        order.service,
        None if order.ship_by is None else micros(order.ship_by),
        millionths(order.total),
    )


def _write_fresh(tx: Tx, channel: Channel, fresh: Sequence[_Fresh], observed_at: int, now: int) -> None:
    tx.insert(
        tables.orders,
        ("id", "channel_id", "number", "imported_at", *ORDER_COLUMNS),
        [(o.id, channel.id, o.order.number, now, *order_values(o.seen, o.order, observed_at, now)) for o in fresh],
    )
    tx.insert(
        tables.lines,
        ("id", "order_id", "number", *LINE_COLUMNS, *FIRST_COLUMNS),
        [
            (claim.line_id, one.id, line.number, *line_values(line, item_id, claim), *first_values(line, claim))
            for one in fresh
            for line, (item_id, claim) in zip(one.order.lines, one.lines, strict=True)
        ],
    )
    tx.insert(tables.buyers, ("order_id", *BUYER_COLUMNS), [(one.id, *buyer_values(one.order)) for one in fresh])
    write_documents(tx, [(one.id, one.seen, one.order) for one in fresh], observed_at)
    write_holds(tx, [(one.id, hold) for one in fresh for hold in one.order.holds], now)
    write_refunds(tx, [(one.id, one.order) for one in fresh if one.order.refunds])
    if Ability.ACKNOWLEDGE in channel.connector.abilities:
        want_acknowledgement(tx, channel, [one.id for one in fresh if not one.order.acknowledged], now)


def _set_aside(tx: Tx, channel: Channel, unread: Sequence[Seen], observed_at: int, now: int) -> int:
    """Quarantines documents that cannot be read; returns how many were not there already."""
    if not unread:
        return 0
    count = "SELECT count(*) FROM quarantine WHERE channel_id = :id"
    before = tx.value(count, id=channel.id)
    rows = {
        one.digest: (channel.id, one.number, one.digest, one.body, one.reason, observed_at, *_state(one, now))
        for one in unread
    }
    tx.insert(
        tables.quarantine,
        ("channel_id", "number", "digest", "body", "reason", "observed_at", "state", "resolved_at"),
        [rows[digest] for digest in sorted(rows)],
        "ON CONFLICT (channel_id, digest) DO UPDATE SET reason = excluded.reason,"
        " observed_at = excluded.observed_at, state = excluded.state, resolved_at = excluded.resolved_at",
    )
    return int(tx.value(count, id=channel.id) - before)


def _state(one: Seen, now: int) -> tuple[str, int | None]:
    return ("resolved", now) if one.mended else ("open", None)


def _resolve(tx: Tx, channel: Channel, numbers: list[str], observed_at: int, now: int) -> None:
    """An order that reads well by now needs nobody to look at its older documents."""
    if numbers:
        tx.run(
            "UPDATE quarantine SET state = 'resolved', resolved_at = :now WHERE channel_id = :channel"
            " AND kind = 'order' AND state = 'open' AND observed_at < :observed_at AND number IN :numbers",
            channel=channel.id,
            now=now,
            observed_at=observed_at,
            numbers=numbers,
        )


def _taken(fresh: Sequence[_Fresh], revisions: Sequence[Revision]) -> Iterator[Taken]:
    """What these orders took off their channel's own levels, or gave back to them."""
    for one in fresh:
        placed = micros(one.order.placed_at)
        for line in one.order.lines:
            yield Taken(line.sku, line.place, line.ordered - line.cancelled, placed)
    for revision in revisions:
        for change in revision.changes:
            was = change.row
            # As the channel sees it: what was cancelled here it still counts, until it says otherwise.
            before = was.ordered - was.cancelled + was.cancelling if was is not None else 0
            told = was if change.line is None else change.line
            after, at = change.ordered - change.cancelled + change.cancelling, revision.order.version
            if was is not None and was.place and told.place and was.place != told.place:
                # The channel's work moved to another of its places, and took what was taken for it along.
                yield Taken(told.sku, was.place, -before, at)
                before = 0
            yield Taken(told.sku, told.place, after - before, at)
