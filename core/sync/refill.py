"""Orders that wait: units resume as soon as what they waited for is there.

Three kinds of waiting end here: backordered units when stock is free that the channel may have (`core.spare`), held
units once their SKU means something, and promised units without a location once the order's holds are lifted or a
location has the stock. Whose turn it is when stock is short, `core.sync.turns` says. An order that is parked is left
alone until something it waits for has changed: stock of its items (`core.store.moves`), the rules or the locations, or
the hour it is due at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from core.settings import ChannelSettings
from core.store.catalogue import look_up
from core.store.database import Store, Tx
from core.sync.allocate import Parcel, allocate, load_left_out, write_routed
from core.sync.channel import Channel, Desk
from core.sync.promise import TAKEN_BACK, expired_of, is_complete, nowhere, reserve, write_reservations
from core.sync.rows import tell
from core.sync.stored import StoredLine, load_lines, write_claims
from core.sync.turns import turns

BATCH = 200
"""Orders looked at in one transaction."""

# Driven by the three small partial indexes of what waits, never by the channel's orders.
_WAITING = """
SELECT o.id FROM orders o WHERE o.id IN (
  SELECT l.order_id FROM lines l WHERE l.held > 0 AND l.item_id IS NULL AND l.sku <> '' AND (
    l.sku IN (SELECT s.sku FROM listings s WHERE s.channel_id = :channel AND s.item_id IS NOT NULL)
    OR (:by_sku = 1 AND l.sku IN (SELECT i.sku FROM items i)))
  UNION SELECT l.order_id FROM lines l WHERE l.reserved > l.allocated
    AND NOT EXISTS (SELECT 1 FROM holds h WHERE h.order_id = l.order_id)
    AND (:whole = 0 OR NOT EXISTS (SELECT 1 FROM lines b WHERE b.order_id = l.order_id AND b.backordered + b.held > 0))
    AND NOT EXISTS (SELECT 1 FROM parked p WHERE p.order_id = l.order_id AND p.rules = :rules
      AND (p.due_at IS NULL OR p.due_at > :now)))
 AND o.channel_id = :channel AND o.fulfiller = 'merchant' AND NOT o.test AND o.id > :after
ORDER BY o.id LIMIT :batch
"""


_Units = tuple[int, int, int]
"""A line's reserved, allocated and held units."""


def refill(
    store: Store,
    channel: Channel,
    clock: Callable[[], int],
    channels: Mapping[str, ChannelSettings] | None = None,
) -> int:
    """Works off what can resume; returns how many orders moved on.

    `channels`: those whose orders wait in turn with this channel's; all there are when not given.
    """
    moved = _serve(store, channel, clock, channels)
    after: int | None = 0
    while after is not None:
        start = after
        step, after = store.transact(lambda tx: _batch(tx, channel, start, clock()))  # noqa: B023 - runs at once
        moved += step
    return moved


def _serve(
    store: Store, channel: Channel, clock: Callable[[], int], channels: Mapping[str, ChannelSettings] | None
) -> int:
    """Gives those who wait what is their turn. Who could not be sent it lets the next have it.

    Who got it stays in the queue: what was left to somebody before who cannot be sent it either is its turn next.
    """
    served: set[int] = set()
    moved: set[int] = set()
    while True:
        with store.read() as tx:
            found = turns(tx, channel, channels, but=served)
        if not found:
            return len(moved)
        for ids in batched(found):
            most = {line: units for id in ids for line, units in found[id].items()}

            def work(tx: Tx, ids: list[int] = ids, most: Mapping[int, int] = most) -> dict[int, int]:
                channel.fence(tx)
                return resume(tx, channel, ids, clock(), most=most)

            gained = store.transact(work)
            moved |= gained.keys()
            served |= {id for id in ids if gained.get(id, 0) <= 0}  # so that each pass gives something, or ends


def batched(ids: Iterable[int]) -> Iterator[list[int]]:
    """Ids in their order, so many at a time as one transaction takes."""
    left = list(ids)
    for start in range(0, len(left), BATCH):
        yield left[start : start + BATCH]


def _batch(tx: Tx, channel: Channel, after: int, now: int) -> tuple[int, int | None]:
    channel.fence(tx)
    by_sku = int(channel.settings.match == "sku")
    rows = tx.rows(_WAITING, channel=channel.id, after=after, by_sku=by_sku, batch=BATCH,
                   rules=channel.digest, now=now, whole=int(channel.settings.backorder == "whole"))  # fmt: skip
    ids = [row.id for row in rows]
    if not ids:
        return 0, None
    moved = resume(tx, channel, ids, now, most={})
    return len(moved), ids[-1] if len(ids) == BATCH else None


def resume(
    tx: Tx,
    channel: Desk,
    ids: list[int],
    now: int,
    event: str = "resumed",
    *,
    most: Mapping[int, int] | None = None,
) -> dict[int, int]:
    """Reserves and routes what these orders still want; returns those that moved on, and how many units more (or,
    below zero, less) each is promised. `event`: what timelines call it.

    `most`: by line, the units it may get at this turn, in the order of `ids`; what was of an unknown SKU before gets
    what is free. Not given: all get what is free, the oldest orders first.
    """
    orders = {row.id: row for row in tx.rows("SELECT * FROM orders WHERE id IN :ids ORDER BY id /*lock*/", ids=ids)}
    lines = load_lines(tx, ids)
    named = _name_unknown(tx, channel, [line for found in lines.values() for line in found])
    held = {row.order_id for row in tx.rows("SELECT order_id FROM holds WHERE order_id IN :ids", ids=ids)}
    to = {row.order_id: row for row in tx.rows("SELECT * FROM buyers WHERE order_id IN :ids", ids=ids)}
    claims = [line.claim for id in ids for line in lines[id]]
    before = {claim.line_id: (claim.reserved, claim.allocated, claim.held) for claim in claims}
    before |= {line.row.id: (line.row.reserved, line.row.allocated, line.row.held) for line in named}
    stock = channel.stock(tx, {item for claim in claims for item, _ in claim.parts or ()})
    expired = expired_of(tx, ids)
    queue = [id for id in ids if id not in expired]
    if most is None:
        queue.sort(key=lambda id: (orders[id].placed_at, id))
    else:
        most = {**most, **{line.row.id: line.row.held for line in named}}
    reserve((line.claim for id in queue for line in lines[id]), stock, most)
    left_out = load_left_out(tx, ids)
    free = [id for id in ids if id not in held]
    if channel.settings.backorder == "whole":
        free = [id for id in free if is_complete(line.claim for line in lines[id])]
    parcels = [
        Parcel(
            id, to[id].country, to[id].postal_code, [line.claim for line in lines[id]], left_out[id],
            orders[id].service, orders[id].ship_by, orders[id].total,
        )
        for id in free
    ]  # fmt: skip
    routed = allocate(channel, parcels, stock, now)
    changed = [claim for claim in claims if (claim.reserved, claim.allocated, claim.held) != before[claim.line_id]]
    write_claims(tx, changed)
    write_reservations(tx, changed, known=True)
    write_routed(tx, channel, routed, free, now)
    stock.write(now)
    _tell(tx, channel, lines, before, now, event)
    moved = {claim.line_id for claim in changed}
    return {
        id: sum(line.claim.reserved - before[line.claim.line_id][0] for line in lines[id])
        for id in ids
        if any(line.claim.line_id in moved for line in lines[id])
    }


def _name_unknown(tx: Tx, channel: Desk, lines: list[StoredLine]) -> list[StoredLine]:
    """Gives held lines their item, where their SKU means one by now; returns those lines."""
    unknown = [line for line in lines if line.row.held and line.row.item_id is None]
    if not unknown:
        return []
    listed = look_up(tx, channel.id, {line.row.sku for line in unknown}, by_sku=channel.settings.match == "sku")
    named = [line for line in unknown if line.row.sku in listed]
    for line in named:
        line.claim.parts = listed[line.row.sku].parts
        tx.run("UPDATE lines SET item_id = :item WHERE id = :id", item=listed[line.row.sku].item_id, id=line.row.id)
    return named


def _tell(
    tx: Tx, channel: Desk, lines: Mapping[int, list[StoredLine]], before: Mapping[int, _Units], now: int, event: str
) -> None:
    """What moved on, and what had to be given back, on each order's timeline."""
    events: list[tuple[int, str, str]] = []
    for order_id, found in lines.items():
        resumed = []
        for line in found:
            claim, (reserved, *others) = line.claim, before[line.claim.line_id]
            if claim.reserved < reserved:
                events.append((order_id, TAKEN_BACK, nowhere(reserved - claim.reserved, line.row.sku)))
            elif (claim.reserved, claim.allocated, claim.held) != (reserved, *others):
                resumed.append(f"{claim.reserved} of {line.row.sku} reserved, {claim.allocated} allocated")
        if resumed:
            events.append((order_id, event, "; ".join(resumed)))
    tell(tx, events, channel, now)
