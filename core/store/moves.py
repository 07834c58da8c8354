"""Stock under lock: what is free, and every movement of one transaction, summed and written once in lock order.

Every writer that moves stock locks its items first, always by ascending id. That one lock guards the item's counters,
its stock rows and its reservations, so no two writers can wait for each other in a circle.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from core.model import Parts
from core.spare import spare, whole
from core.store import tables
from core.store.database import Tx
from core.store.journal import write_moves
from core.store.unbound import as_text, unbound


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One ledger row: stock that came, went or was corrected, with the one cause it may ever have."""

    item_id: int
    location_id: int | None
    cause: str
    kind: str
    on_hand: int = 0
    reserved: int = 0
    allocated: int = 0
    actor: str = "ordersync"
    note: str = ""
    incoming_id: int | None = None
    """What was expected, where these units belong to it."""


class Stock:
    """Locked items: what is free of them, and the changes not yet written.

    Units of an order line are moved by its `parts`: one unit of the line takes `per` units of each item.
    """

    def __init__(
        self,
        tx: Tx,
        items: Iterable[int],
        sites: frozenset[int] | None = None,
        keep: Mapping[int, int] = {},
        *,
        lock: bool = True,
    ) -> None:
        """`sites`: the locations that the channel at work ships from. Free is then what is spare for it (`core.spare`):
        what the promises of other channels need counts as gone. None: of nobody's; all that is free, anywhere.

        `keep`: units of every item that stay at a location for its own counter: they are not free there.

        Without `lock` it only tells what is free as of now. What the others need costs one query more, only where
        channels have different lists of locations and some of `items` is promised without a location.
        """
        ids = sorted(set(items))
        self.tx = tx
        self._sites = sites
        counters = tx.rows(
            "SELECT id, on_hand, reserved, needs, weight FROM items WHERE id IN :ids"
            f" ORDER BY id {'/*lock*/' if lock else ''}",
            ids=ids,
        )
        places = tx.rows(
            "SELECT item_id, location_id, on_hand - allocated, allocated,"
            " EXISTS (SELECT 1 FROM channels WHERE sites <> :sites) FROM stock WHERE item_id IN :ids",
            ids=ids,
            sites="" if sites is None else as_text(sites),
        )
        self.free: dict[int, int] = {row[0]: row[1] - row[2] for row in counters}
        """Units free to promise, by item."""
        self.free_at: dict[tuple[int, int], int] = {(row[0], row[1]): row[2] for row in places}
        """Units free to bind to a line, by item and location."""
        self.kept: dict[tuple[int, int], int] = {}
        """Units that are free besides and kept where they are."""
        self.traits: dict[int, tuple[frozenset[str], int]] = {
            row[0]: (frozenset(row[3].split()), row[4]) for row in counters if row[3] or row[4]
        }
        """What items need of a location and what a unit weighs, in grams; where something is known."""
        if keep:
            self._keep(keep)
        if sites is not None:
            waiting = {row[0]: row[2] for row in counters}
            for row in places:
                waiting[row[0]] -= row[3]
            self._leave_to_others(sites, waiting, alike=not any(row[4] for row in places))
        self._on_hand: defaultdict[tuple[int, int], int] = defaultdict(int)
        self._allocated: defaultdict[tuple[int, int], int] = defaultdict(int)
        self._reserved: defaultdict[int, int] = defaultdict(int)
        self._entries: list[Entry] = []
        self._touched: set[int] = set()

    def _keep(self, keep: Mapping[int, int]) -> None:
        for (item, place), units in self.free_at.items():
            kept = min(keep.get(place, 0), units)
            if kept > 0:
                self.kept[item, place] = kept
                self.free_at[item, place] = units - kept

    def _leave_to_others(self, sites: frozenset[int], waiting: dict[int, int], *, alike: bool) -> None:
        """Takes off what is not spare. `waiting`: promised and not bound, by item; `alike`: all by the same list."""
        asked = [item for item, units in waiting.items() if units > 0]
        others = unbound(self.tx, asked) if asked and not alike else {}
        at: defaultdict[int, dict[int, int]] = defaultdict(dict)
        for (item, place), units in self.free_at.items():
            at[item][place] = units
        for item, by in others.items():
            by.pop(sites, None)
            if by:
                waiting[item] -= sum(by.values())
                at[item] = spare(at[item], by, sites)
                self.free_at |= {(item, place): units for place, units in at[item].items()}
        for item, free in self.free.items():
            here = sum(units for place, units in at[item].items() if place in sites)
            self.free[item] = min(free, here - waiting[item])

    def able(self, parts: Parts) -> int:
        """How many units made of `parts` can be promised, none of them put together from two locations."""
        units = min(self.free.get(item, 0) // per for item, per in parts)
        if self._sites is not None and units > 0 and (len(parts) > 1 or parts[0][1] > 1):
            units = min(units, whole(parts, self.free_at, self._sites))
        return max(0, units)

    def reserve(self, parts: Parts, wanted: int) -> int:
        """Promises up to `wanted` whole units; returns how many there were."""
        granted = min(wanted, self.able(parts))
        if granted <= 0:
            return 0
        for item, per in parts:
            self.free[item] -= per * granted
            self._reserved[item] += per * granted
        return granted

    def release(self, parts: Parts, units: int) -> None:
        """Takes a promise back."""
        for item, per in parts:
            self.free[item] += per * units
            self._reserved[item] -= per * units

    def allocate(self, parts: Parts, units: int, location_id: int) -> None:
        """Binds promised units to a location that has them free; a negative number unbinds."""
        for item, per in parts:
            self.free_at[item, location_id] = self.free_at.get((item, location_id), 0) - per * units
            self._allocated[item, location_id] += per * units
            if not self._counts(location_id):  # unbound there, the promise has to be kept from the channel's own
                self.free[item] = self.free.get(item, 0) + per * units

    def ship(self, parts: Parts, units: int, location_id: int, cause: str, *, kind: str = "ship") -> None:
        """Promised, unbound units leave a location: on hand and reserved fall together.

        `cause` is unique for ever; bound units are unbound first (`allocate` with a negative number).
        """
        for item, per in parts:
            self._reserved[item] -= per * units
            self.free[item] += per * units  # the promise is kept; `move` takes the units themselves
            self.move(
                Entry(item_id=item, location_id=location_id, cause=f"{cause}:{item}", kind=kind, on_hand=-per * units)
            )

    def move(self, entry: Entry) -> None:
        """Units come to or leave a location, with their ledger row."""
        if entry.location_id is None:
            raise ValueError("units on hand stand at a location")
        place = entry.item_id, entry.location_id
        self._on_hand[place] += entry.on_hand
        if self._counts(entry.location_id):
            self.free[entry.item_id] = self.free.get(entry.item_id, 0) + entry.on_hand
        self.free_at[place] = self.free_at.get(place, 0) + entry.on_hand
        self._entries.append(entry)

    def note(self, entry: Entry) -> None:
        """A ledger row for promises that moved with a cause of their own; the other methods move them."""
        if entry.on_hand:
            raise ValueError("units on hand are moved by `move`")
        self._entries.append(entry)

    def _counts(self, location_id: int) -> bool:
        """Whether units at a location can be promised."""
        return self._sites is None or location_id in self._sites

    def touch(self, items: Iterable[int]) -> None:
        """Marks items whose levels may have changed although no counter moves here."""
        self._touched.update(items)

    def write(self, now: int) -> None:
        """Writes the counters, the ledger and the marks of what changed."""
        tx = self.tx
        came = [place for place, units in sorted(self._on_hand.items()) if units > 0]
        tx.insert(tables.stock, ("item_id", "location_id"), came, "ON CONFLICT DO NOTHING")
        totals: defaultdict[int, int] = defaultdict(int)
        for (item, _), units in self._on_hand.items():
            totals[item] += units
        items = [(item, totals.get(item, 0), self._reserved.get(item, 0)) for item in {*totals, *self._reserved}]
        items = sorted(row for row in items if row[1] or row[2])
        tx.update(tables.items, ("id",), ("on_hand+", "reserved+"), items)
        places = {*self._on_hand, *self._allocated}
        moved = [(*place, self._on_hand.get(place, 0), self._allocated.get(place, 0)) for place in places]
        moved = sorted(row for row in moved if row[2] or row[3])
        tx.update(tables.stock, ("item_id", "location_id"), ("on_hand+", "allocated+"), moved)
        write_ledger(tx, self._entries, now)
        write_moves(tx, self._reserved, [(row[0], row[1], row[3]) for row in moved], now)
        touch(tx, {*self._touched, *(row[0] for row in items), *(row[0] for row in moved)})
        freed = {row[0] for row in moved if row[2] > row[3]} | {row[0] for row in items if row[1] > row[2]}
        if freed:
            wake(tx, freed, now)


# By the items' promises, never through all that is parked; where nothing is, not even through those. CROSS: SQLite
# joins in the order written.
_WAITING_FOR = """
SELECT l.order_id FROM (SELECT 1 FROM parked LIMIT 1) anybody CROSS JOIN reservations r CROSS JOIN lines l
WHERE r.item_id IN :items AND l.id = r.line_id AND l.reserved > l.allocated
"""


def wake(tx: Tx, items: Iterable[int], now: int) -> None:
    """Orders that wait for a location are looked at again: more is free of these items, or free elsewhere."""
    tx.run(
        f"UPDATE parked SET due_at = :now WHERE order_id IN ({_WAITING_FOR})",
        now=now,
        items=sorted(items),
    )


def write_ledger(tx: Tx, entries: Iterable[Entry], now: int) -> None:
    """Appends ledger rows; a cause that was there before is an error, not a second movement."""
    columns = (
        "at", "item_id", "location_id", "on_hand", "reserved", "allocated", "cause", "kind", "actor", "note",
        "incoming_id",
    )  # fmt: skip
    rows = [
        (
            now, e.item_id, e.location_id, e.on_hand, e.reserved, e.allocated, e.cause, e.kind, e.actor, e.note,
            e.incoming_id,
        )
        for e in entries
    ]  # fmt: skip
    tx.insert(tables.ledger, columns, rows)


def touch(tx: Tx, items: Iterable[int]) -> None:
    """Marks items whose levels must be computed again. A mark set while one is being worked off is not lost."""
    tx.insert(
        tables.touched,
        ("item_id",),
        [(item,) for item in sorted(items)],
        "ON CONFLICT (item_id) DO UPDATE SET mark = touched.mark + 1",
    )
