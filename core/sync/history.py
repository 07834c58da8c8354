"""What was: an item's stock and promises at an instant, what each channel had taken by then, and all that moved it.

What came and left is the ledger's and known for ever. How promises moved, and what channels took, is kept for a while
(`history_days`). Promises at an instant are those of now less all that moved since; which item a listing is, is told as
it is now.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec

from core.errors import UserError
from core.store.database import Store, Tx
from core.store.journal import begins, moves_of
from core.sync.stock_asked import known_locations


class Then(msgspec.Struct, frozen=True):
    """An item at one location, at an instant."""

    location: str
    on_hand: int
    allocated: int | None
    """None: nobody knows any more."""


class Told(msgspec.Struct, frozen=True):
    """What a channel had taken of one listing at one of its places."""

    channel: str
    sku: str
    place: str
    units: int | None
    """What it had applied last; None: nothing, or nobody knows any more."""
    since: int | None
    accepted: int | None
    """What it had accepted after that and was still to work off."""


class Past(msgspec.Struct, frozen=True):
    """An item at an instant."""

    sku: str
    at: int
    """Microseconds since 1970 UTC."""
    on_hand: int
    reserved: int | None
    available: int | None
    on_the_way: int
    """Between locations, on hand at neither."""
    places: tuple[Then, ...]
    told: tuple[Told, ...]
    promises_since: int | None
    """Since when it is known how promises moved."""


class Event(msgspec.Struct, frozen=True):
    """One thing that moved an item or was told of it."""

    at: int
    what: str
    """A kind of the ledger's, promise, accepted or applied."""
    where: str
    """A location; or a channel, with its place."""
    on_hand: int
    reserved: int
    allocated: int
    told: int | None
    """The level a channel took."""
    note: str


def at_instant(store: Store, sku: str, at: int, *, location: str = "") -> Past:
    """What was held of `sku` at `at`, at one location or all, and what channels had taken of it by then.

    Raises `UserError` for an unknown item or location, and for a kit, which has no stock of its own.
    """
    with store.read() as tx:
        item, spot = _named(tx, sku, location)
        on_hand = {
            row[0]: int(row[1])
            for row in tx.rows(
                "SELECT location_id, SUM(on_hand) FROM ledger WHERE item_id = :id AND at <= :at GROUP BY location_id",
                id=item.id,
                at=at,
            )
        }
        first = begins(tx)
        reserved, allocated = _promises(tx, item, at) if first is not None and at >= first else (None, None)
        names = {row.id: row.name for row in tx.rows("SELECT id, name FROM locations ORDER BY priority, name")}
        seen = [id for id in names if id in on_hand or (allocated and allocated.get(id))]
        total = sum(on_hand.values())
        return Past(
            sku=sku,
            at=at,
            on_hand=total,
            reserved=reserved,
            available=None if reserved is None else total - reserved,
            on_the_way=_on_the_way(tx, item.id, at),
            places=tuple(
                Then(names[id], on_hand.get(id, 0), None if allocated is None else allocated.get(id, 0))
                for id in seen
                if spot in (None, id)
            ),
            told=_told(tx, item.id, at),
            promises_since=first,
        )


def _named(tx: Tx, sku: str, location: str) -> tuple[Any, int | None]:
    item = tx.row("SELECT * FROM items WHERE sku = :sku", sku=sku)
    if item is None:
        raise UserError(f"there is no item {sku}; `ordersync stock show` lists them all")
    parts = tx.rows("SELECT i.sku FROM kits k JOIN items i ON i.id = k.component_id WHERE k.kit_id = :id", id=item.id)
    if parts:
        names = ", ".join(sorted(row.sku for row in parts))
        raise UserError(f"{sku} is a kit and has no stock of its own; ask for its components: {names}")
    return item, known_locations(tx, [location])[location] if location else None


def _promises(tx: Tx, item: Any, at: int) -> tuple[int, dict[int, int]]:
    """Reserved, and allocated by location's id: what is now, less what moved since."""
    reserved = item.reserved
    allocated: defaultdict[int, int] = defaultdict(int)
    for row in tx.rows("SELECT location_id, allocated FROM stock WHERE item_id = :id", id=item.id):
        allocated[row.location_id] += row.allocated
    for _, _, (units, places) in moves_of(tx, item.id, at):
        reserved -= units
        for place, count in places.items():
            allocated[place] -= count
    for row in tx.rows(  # what `verify --repair` set right moved no promise, but the counters
        "SELECT location_id, reserved, allocated FROM ledger WHERE item_id = :id AND kind = 'repair' AND at > :at",
        id=item.id,
        at=at,
    ):
        reserved -= row.reserved
        if row.location_id is not None:
            allocated[row.location_id] -= row.allocated
    return reserved, dict(allocated)


def _on_the_way(tx: Tx, item: int, at: int) -> int:
    rows = tx.rows(
        "SELECT -SUM(g.on_hand) AS units, MAX(CASE WHEN g.cause LIKE 'transfer:lost:%' THEN 1 ELSE 0 END) AS lost"
        " FROM ledger g JOIN incoming n ON n.id = g.incoming_id"
        " WHERE g.item_id = :id AND n.source = 'transfer' AND g.at <= :at GROUP BY n.id",
        id=item,
        at=at,
    )
    return sum(int(row.units) for row in rows if not row.lost)


_LISTED = """
SELECT t.*, l.sku, c.name AS channel FROM tellings t JOIN listings l ON l.id = t.listing_id
JOIN channels c ON c.id = l.channel_id WHERE l.item_id = :id
"""


def _told(tx: Tx, item: int, at: int) -> tuple[Told, ...]:
    applied: dict[tuple[str, str, str], Any] = {}
    accepted: dict[tuple[str, str, str], int] = {}
    for row in tx.rows(f"{_LISTED} AND t.at <= :at ORDER BY t.id", id=item, at=at):
        key = row.channel, row.sku, row.place
        if row.state == "applied":
            applied[key] = row
            accepted.pop(key, None)
        else:
            applied.setdefault(key, None)
            accepted[key] = row.units
    return tuple(
        Told(*key, None if row is None else row.units, None if row is None else row.at, accepted.get(key))
        for key, row in sorted(applied.items())
    )


def events(store: Store, sku: str, *, location: str = "", limit: int = 50) -> list[Event]:
    """What moved `sku` and what channels took of it, the newest first. Raises as `at_instant` does."""
    with store.read() as tx:
        item, spot = _named(tx, sku, location)
        names = {row.id: row.name for row in tx.rows("SELECT id, name FROM locations")}
        found = [*_ledger(tx, item.id, spot, names, limit), *_moved(tx, item.id, spot, names, limit)]
        if spot is None:
            found += _tellings(tx, item.id, limit)
    return sorted(found, key=lambda one: -one.at)[:limit]


def _ledger(tx: Tx, item: int, spot: int | None, names: dict[int, str], limit: int) -> Sequence[Event]:
    rows = tx.rows(
        "SELECT * FROM ledger WHERE item_id = :id AND (:all = 1 OR location_id = :spot) ORDER BY id DESC LIMIT :limit",
        id=item,
        all=int(spot is None),
        spot=spot or 0,
        limit=limit,
    )
    return [
        Event(
            row.at, row.kind, names.get(row.location_id, ""), row.on_hand, row.reserved, row.allocated, None,
            "; ".join(text for text in (row.actor, row.note) if text),
        )
        for row in rows
    ]  # fmt: skip


def _moved(tx: Tx, item: int, spot: int | None, names: dict[int, str], limit: int) -> list[Event]:
    """Promises: one event for each location concerned, or one for none."""
    found: list[Event] = []
    for _, at, (units, places) in moves_of(tx, item, -1):
        if units and spot is None:
            found.append(Event(at, "promise", "", 0, units, 0, None, ""))
        found += [
            Event(at, "promise", names.get(place, ""), 0, 0, count, None, "")
            for place, count in sorted(places.items())
            if spot in (None, place)
        ]
        if len(found) >= limit:
            break
    return found


def _tellings(tx: Tx, item: int, limit: int) -> list[Event]:
    rows = tx.rows(f"{_LISTED} ORDER BY t.id DESC LIMIT :limit", id=item, limit=limit)
    return [
        Event(row.at, row.state, f"{row.channel} {row.place}".rstrip(), 0, 0, 0, row.units,
              "" if row.state == "applied" else "taken for later")
        for row in rows
    ]  # fmt: skip
