"""What was ordered in a window and what stood on the shelves then, for routing to be replayed by other rules.

The shelves at the beginning are told by the ledger: what stands there today, less all that came and left since. Of
that, what orders placed before the window have been sent since, or still hold, is theirs and not to be given again.
What came in the window comes when it came; what left in parcels of the window's own orders does not leave: the replay
decides that anew. Kits are made of what they are made of today, and cancelled units count as never ordered.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from core.errors import UserError
from core.model import Parts
from core.routing import Ask, Piece, Rules, Site
from core.routing.replay import Moved, Placed
from core.settings import Settings
from core.store.catalogue import parts_of
from core.store.database import Tx

MOST = 200_000
"""Orders replayed at once, at most."""


class Window(msgspec.Struct, frozen=True):
    """What a replay is given."""

    orders: list[Placed]
    moves: list[Moved]
    free: dict[tuple[int, int], int]
    """Units by (item, location) at the beginning."""
    skipped: int
    """Orders of the window left out: their channel is not configured, or nothing of them is known to be an item."""


def load_window(tx: Tx, settings: Settings, rules: Rules, since: int, until: int) -> Window:
    """The window from `since` up to, not with, `until`. `rules`: whose services mean which capability.

    Raises `UserError` where more than `MOST` orders were placed in it.
    """
    rows = tx.rows(
        "SELECT o.*, c.name AS channel, b.country, b.postal_code FROM orders o JOIN channels c ON c.id = o.channel_id"
        " LEFT JOIN buyers b ON b.order_id = o.id WHERE o.placed_at >= :since AND o.placed_at < :until"
        " AND o.fulfiller = 'merchant' AND NOT o.test ORDER BY o.placed_at, o.id LIMIT :most",
        since=since,
        until=until,
        most=MOST + 1,
    )
    if len(rows) > MOST:
        raise UserError(f"more than {MOST:,} orders were placed in that time; take a shorter one")
    ids = [row.id for row in rows if row.channel in settings.channels]
    lines = defaultdict(list)
    found = tx.rows(
        "SELECT id, order_id, item_id, ordered - cancelled AS units FROM lines WHERE order_id IN :ids"
        " AND item_id IS NOT NULL AND ordered > cancelled ORDER BY id",
        ids=ids,
    )
    parts = parts_of(tx, {row.item_id for row in found})
    for row in found:
        lines[row.order_id].append(Piece(row.id, parts[row.item_id], row.units))
    items = sorted({item for made_of in parts.values() for item, _ in made_of})
    traits = {
        row.id: (frozenset(row.needs.split()), row.weight)
        for row in tx.rows("SELECT id, needs, weight FROM items WHERE id IN :ids", ids=items)
    }
    orders = [
        Placed(
            order_id=row.id,
            name=row.name or row.number,
            channel=row.channel,
            at=row.placed_at,
            ask=_ask(row, lines[row.id], traits, rules),
            pieces=lines[row.id],
            total=row.total,
            grams={piece.line_id: _weight(piece.parts, traits) for piece in lines[row.id]},
        )
        for row in rows
        if row.id in lines
    ]
    return Window(orders, _moves(tx, items, since, until), _free(tx, items, since), len(rows) - len(orders))


def _ask(row: Any, pieces: Sequence[Piece], traits: Mapping[int, tuple[frozenset[str], int]], rules: Rules) -> Ask:
    needs = {need for piece in pieces for item, _ in piece.parts for need in traits[item][0]}
    service = rules.services.get(row.service.casefold())
    return Ask(
        row.country or "",
        row.postal_code or "",
        frozenset(needs | {service} if service else needs),
        sum(piece.quantity for piece in pieces),
        sum(_weight(piece.parts, traits) * piece.quantity for piece in pieces),
        row.ship_by,
    )


def _weight(parts: Parts, traits: Mapping[int, tuple[frozenset[str], int]]) -> int:
    return sum(traits[item][1] * per for item, per in parts)


def _free(tx: Tx, items: Sequence[int], since: int) -> dict[tuple[int, int], int]:
    free: defaultdict[tuple[int, int], int] = defaultdict(int)
    for row in tx.rows(
        "SELECT item_id, location_id, SUM(units) AS units FROM ("
        " SELECT item_id, location_id, on_hand AS units FROM stock WHERE item_id IN :ids"
        " UNION ALL SELECT item_id, location_id, -on_hand FROM ledger WHERE item_id IN :ids AND at >= :since"
        ") AS told WHERE location_id IS NOT NULL GROUP BY item_id, location_id",
        ids=list(items),
        since=since,
    ):
        free[row.item_id, row.location_id] = int(row.units)
    for place, units in _of_older_orders(tx, items, since).items():
        free[place] -= units
    return dict(free)


def _of_older_orders(tx: Tx, items: Sequence[int], since: int) -> dict[tuple[int, int], int]:
    """Units that orders placed before have been sent since, or are still bound to."""
    taken: defaultdict[tuple[int, int], int] = defaultdict(int)
    for row in tx.rows(
        "SELECT r.item_id, f.location_id, SUM((w.quantity - w.shipped) * r.per) AS units FROM fulfilment_lines w"
        " JOIN fulfilment_orders f ON f.id = w.fulfilment_order_id JOIN reservations r ON r.line_id = w.line_id"
        " JOIN orders o ON o.id = f.order_id WHERE f.state IN ('planned', 'released') AND o.placed_at < :since"
        " AND r.item_id IN :ids GROUP BY r.item_id, f.location_id",
        since=since,
        ids=list(items),
    ):
        taken[row.item_id, row.location_id] += int(row.units)
    for item, place, units, line in _shipped(tx, items, since):
        if line is not None and line < since:
            taken[item, place] += units
    return taken


def _shipped(tx: Tx, items: Sequence[int], since: int) -> list[tuple[int, int, int, int | None]]:
    """What left in parcels since: item, location, units, and when its order was placed."""
    rows = tx.rows(
        "SELECT item_id, location_id, on_hand, cause FROM ledger WHERE item_id IN :ids AND at >= :since"
        f" AND location_id IS NOT NULL AND kind IN {_IN_PARCELS} ORDER BY id",
        ids=list(items),
        since=since,
    )
    by_line = {row.cause: _line(row.cause) for row in rows}
    placed = {
        row.id: row.placed_at
        for row in tx.rows(
            "SELECT l.id, o.placed_at FROM lines l JOIN orders o ON o.id = l.order_id WHERE l.id IN :ids",
            ids=sorted({line for line in by_line.values() if line is not None}),
        )
    }
    return [(row.item_id, row.location_id, -row.on_hand, placed.get(by_line[row.cause] or 0)) for row in rows]


_IN_PARCELS = "('ship', 'ship_outside', 'void')"


def _line(cause: str) -> int | None:
    """The order line that a parcel's ledger row names: ship:PARCEL:LINE:ITEM (void too), outside:LINE:UNITS:ITEM."""
    kind, *rest = cause.split(":")
    named = rest[0] if kind == "outside" else rest[1] if len(rest) > 1 else ""
    return int(named) if named.isdigit() else None


def _moves(tx: Tx, items: Sequence[int], since: int, until: int) -> list[Moved]:
    return [
        Moved(row.at, row.item_id, row.location_id, row.on_hand)
        for row in tx.rows(
            "SELECT at, item_id, location_id, on_hand FROM ledger WHERE item_id IN :ids AND at >= :since"
            f" AND at < :until AND location_id IS NOT NULL AND on_hand <> 0 AND kind NOT IN {_IN_PARCELS} ORDER BY id",
            ids=list(items),
            since=since,
            until=until,
        )
    ]


def sites_of(tx: Tx, settings: Settings) -> dict[str, list[Site]]:
    """The locations of each configured channel; pauses do not count, as they are of today."""
    ids = {row.name: row.id for row in tx.rows("SELECT id, name FROM locations")}
    return {
        name: [
            Site(ids[place.name], place.as_location())
            for place in settings.locations
            if place.name in own.locations and place.name in ids
        ]
        for name, own in settings.channels.items()
    }
