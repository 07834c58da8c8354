"""What a warehouse tells, taken in: page by page, each page, its documents and its cursor in one transaction.

The same event is booked once, by the warehouse's own id of it and what it says. A notice that cannot be read is set
aside; one that cannot be booked (more units left than were asked for) is kept with its reason, and nothing of it is
booked. Neither keeps the others up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from core.errors import BadDocument, Unavailable, UserError
from core.handover import Accepted, Adjusted, Counted, Declined, Event, Left, Notice, NoticePage, Withdrawn, kind_of
from core.model import MAX_QUANTITY, micros
from core.store import tables
from core.store.database import Store, Tx
from core.sync.channel import Clock
from core.sync.notices_of_stock import take_adjusted, take_counted
from core.sync.notices_of_work import take_accepted, take_declined, take_left, take_withdrawn
from core.sync.observe import clean, digest
from core.sync.recall import seen_to
from core.sync.stored import lock_items
from core.sync.take_back import NeedOrders, with_orders
from core.sync.warehouse import Warehouse
from core.sync.work import poke

WAITING = 50
"""Notices that came by calls, taken in at once."""


class Heard(msgspec.Struct):
    """What became of notices."""

    taken: int = 0
    repeated: int = 0
    unread: int = 0
    refused: int = 0
    """Read, and not to be booked: for a person to see to."""


@dataclass(frozen=True)
class Read:
    """One notice, and its event or why it cannot be read."""

    id: str
    body: bytes
    digest: bytes
    event: Event | None
    reason: str = ""
    source: str = ""
    known: int | None = None
    """The notice it was kept as, where it waited to be looked at."""


@dataclass
class Effects:
    """What a page did besides its rows: what is to be poked afterwards."""

    channels: set[int] = field(default_factory=set)
    heard: Heard = field(default_factory=Heard)
    reasons: dict[str, str] = field(default_factory=dict)
    """Why notices were set aside or could not be booked, by id."""


def take_told(store: Store, house: Warehouse, clock: Clock, stopping: Callable[[], bool] = lambda: False) -> Heard:
    """Takes in what came by calls, then what the warehouse has to tell. Raises what the connector raises."""
    heard = _take_waiting(store, house, clock)
    with store.read() as tx:
        cursor = tx.value("SELECT cursor FROM warehouses WHERE id = :id", id=house.id)
    for page in house.connector.events(cursor):
        done = take_page(store, house, page, clock())
        heard = _sum(heard, done.heard)
        house.connector.taken(page, done.reasons)
        if stopping():
            break
    return heard


def keep_notices(store: Store, name: str, notices: Sequence[Notice], now: int) -> bool:
    """Keeps what a warehouse brought by a call, durably, for its next turn; False for one never taken up."""

    def work(tx: Tx) -> bool:
        row = tx.row("SELECT id FROM warehouses WHERE name = :name", name=name)
        if row is None:
            return False
        tx.insert(
            tables.notices,
            ("warehouse_id", "event", "digest", "body", "observed_at", "state"),
            [(row.id, clean(one.id), digest(one.body), one.body, now, "waiting") for one in notices],
            "ON CONFLICT DO NOTHING",
        )
        tx.run("UPDATE warehouses SET wanted = wanted + 1 WHERE id = :id", id=row.id)
        return True

    return store.transact(work)


def _take_waiting(store: Store, house: Warehouse, clock: Clock) -> Heard:
    heard = Heard()
    while True:
        with store.read() as tx:
            rows = tx.rows(
                "SELECT event, body FROM notices WHERE warehouse_id = :house"
                " AND state IN ('waiting','unread','refused') AND state = 'waiting' ORDER BY id LIMIT :most",
                house=house.id,
                most=WAITING,
            )
        if not rows:
            return heard
        page = NoticePage(notices=tuple(Notice(id=row.event, body=bytes(row.body)) for row in rows), cursor="")
        heard = _sum(heard, take_page(store, house, page, clock(), move=False).heard)


def take_page(
    store: Store, house: Warehouse, page: NoticePage, now: int, *, move: bool = True, again: int | None = None
) -> Effects:
    """Takes a page in; `move` writes its cursor as well. `again`: the notice, set to wait, that its only one is."""
    read = [_read(house, notice) for notice in page.notices]

    def work(tx: Tx, held: frozenset[int]) -> Effects:
        house.fence(tx)
        effects = Effects()
        fresh = _fresh(tx, house, read, again, effects)
        orders = sorted(held | set(_orders(tx, house, fresh)))
        tx.rows("SELECT id FROM orders WHERE id IN :ids ORDER BY id /*lock*/", ids=orders)
        _lock_items(tx, house, orders, fresh)
        ids = iter(tx.ids(tables.notices, sum(one.known is None for one in fresh)))
        for one in fresh:
            id = one.known or next(ids)
            _take_one(tx, house, id, one, held, effects, now)
        if effects.heard.taken:
            tx.run("UPDATE warehouses SET last_told = :now WHERE id = :id", now=now, id=house.id)
        if move:
            tx.run("UPDATE warehouses SET cursor = :cursor WHERE id = :id", cursor=page.cursor, id=house.id)
        return effects

    try:
        effects = with_orders(store, work)
    except NeedOrders:
        raise Unavailable(f"the orders that {house.name} tells of keep changing") from None
    poke(store, sorted(effects.channels))
    return effects


def _read(house: Warehouse, notice: Notice) -> Read:
    mark = digest(notice.body)
    try:
        event = house.connector.normalize(notice.body)
        _check(event, notice.id)
    except BadDocument as error:
        return Read(clean(notice.id), notice.body, mark, None, clean(str(error)), clean(notice.source))
    return Read(clean(event.id), notice.body, mark, event, source=clean(notice.source))


def _check(event: Event, id: str) -> None:
    """What every connector promises, checked where the store would otherwise refuse a whole page."""
    if not event.id or (id and id != event.id):
        raise BadDocument(f"the event calls itself {event.id!r}, its notice {id!r}")
    at = event.as_of if isinstance(event, Counted) else event.at
    if at.tzinfo is None:
        raise BadDocument("its instant has no time zone")
    if isinstance(event, Left):
        if not event.boxes or not all(box.lines for box in event.boxes):
            raise BadDocument("it names nothing that left")
        _check_units(units for box in event.boxes for units in box.lines.values())
    elif isinstance(event, Declined):
        _check_units(event.lines.values())
    elif isinstance(event, Counted):
        _check_units(event.units.values(), least=0)
    elif isinstance(event, Adjusted):
        _check_units([abs(event.change)])


def _check_units(units: Iterable[int], least: int = 1) -> None:
    for one in units:
        if type(one) is not int or not least <= one <= MAX_QUANTITY:
            raise BadDocument(f"{one} is no number of units")


def _fresh(tx: Tx, house: Warehouse, read: Sequence[Read], again: int | None, effects: Effects) -> list[Read]:
    """What was not taken in before. A notice that waits is taken in now, in its place and under its number."""
    rows = tx.rows(
        "SELECT id, event, digest, state, source, reason FROM notices"
        " WHERE warehouse_id = :house AND (event IN :events OR event = '' OR id = :again)",
        house=house.id,
        events=sorted({one.id for one in read}),
        again=again,
    )
    known = {(row.event, bytes(row.digest)): row for row in rows}
    booked = {row.event for row in rows if row.state in ("taken", "settled")}
    fresh: list[Read] = []
    for one in read:
        rows_of = [known.get((id, one.digest)) for id in {one.id, ""}]
        found = [row for row in rows_of if row is not None] or [row for row in rows if row.id == again]
        waiting = [row.id for row in found if row.state == "waiting"]
        if (found and not waiting) or any((one.id, one.digest) == (other.id, other.digest) for other in fresh):
            effects.heard.repeated += 1
            for row in found:
                if row.state in ("unread", "refused"):
                    effects.reasons[one.id] = row.reason.removeprefix(_before(row.source))
            continue
        tx.run("DELETE FROM notices WHERE id IN :ids", ids=waiting)
        if waiting:
            one = replace(one, known=waiting[0], source=one.source or found[0].source)
        if one.event is not None and one.id in booked:
            one = replace(one, event=None, reason="an event of this id was taken before and said something else")
        booked.add(one.id)
        fresh.append(one)
    return fresh


def _before(source: str) -> str:
    """What stands before the reason of a notice that stood there."""
    return f"{source}: " if source else ""


def _keys(fresh: Sequence[Read]) -> list[str]:
    return sorted({clean(one.event.work) for one in fresh if isinstance(one.event, Accepted | Declined | Left)})


def _orders(tx: Tx, house: Warehouse, fresh: Sequence[Read]) -> list[int]:
    rows = tx.rows(
        "SELECT DISTINCT order_id FROM handovers WHERE warehouse_id = :house AND key IN :keys",
        house=house.id,
        keys=_keys(fresh),
    )
    return [row.order_id for row in rows]


def _lock_items(tx: Tx, house: Warehouse, orders: Sequence[int], fresh: Sequence[Read]) -> None:
    """All items that the page may move."""
    skus = {house.sku_here(one.event.sku) for one in fresh if isinstance(one.event, Adjusted)}
    for one in fresh:
        if isinstance(one.event, Counted):
            skus.update(house.sku_here(sku) for sku in one.event.units)
    lock_items(tx, orders, sorted(clean(sku) for sku in skus if sku))


def _take_one(tx: Tx, house: Warehouse, id: int, one: Read, held: frozenset[int], effects: Effects, now: int) -> None:
    """One notice: booked whole, or kept with its reason."""
    state, reason, handover = "taken", "", None
    at = 0
    if one.event is None:
        state, reason = "unread", _before(one.source) + one.reason
    else:
        at = micros(one.event.as_of if isinstance(one.event, Counted) else one.event.at)
    tx.insert(
        tables.notices,
        ("id", "warehouse_id", "event", "kind", "digest", "body", "happened_at", "observed_at", "state", "source",
         "reason"),
        [
            (id, house.id, one.id, "" if one.event is None else kind_of(one.event).value, one.digest, one.body, at, now,
             state, one.source, reason)
        ],
    )  # fmt: skip
    if one.event is not None:
        inner = tx.connection.begin_nested()
        try:
            handover = _handover_of(tx, house, one.event)
            reason = _book(tx, house, id, one.event, handover, held, effects, now)
            inner.commit()
        except UserError as error:
            inner.rollback()
            state, reason = "refused", _before(one.source) + clean(str(error))
        tx.run(
            "UPDATE notices SET state = :state, reason = :reason, handover_id = :handover WHERE id = :id",
            id=id,
            state=state,
            reason=clean(reason),
            handover=None if handover is None else handover.id,
        )
    if state == "taken":  # what was set aside under this id is mended by it
        tx.run(
            "UPDATE notices SET state = 'settled' WHERE warehouse_id = :house AND event = :event"
            " AND state IN ('waiting','unread','refused')",
            house=house.id,
            event=one.id,
        )
    else:
        effects.reasons[one.id] = reason.removeprefix(_before(one.source))
    setattr(effects.heard, state, getattr(effects.heard, state) + 1)


def _handover_of(tx: Tx, house: Warehouse, event: Event) -> Any:
    """The handover an event is about; None where it is about none. Raises `UserError` where there is no such work."""
    if isinstance(event, Counted | Adjusted):
        return None
    if isinstance(event, Withdrawn):
        row = tx.row(
            "SELECT h.* FROM recalls r JOIN handovers h ON h.id = r.handover_id WHERE r.key = :key"
            " AND h.warehouse_id = :house",
            key=clean(event.recall),
            house=house.id,
        )
        if row is None:
            raise UserError(f"no recall is called {event.recall!r} here; see `ordersync warehouse work {house.name}`")
        return row
    row = tx.row(
        "SELECT * FROM handovers WHERE warehouse_id = :house AND key = :key", house=house.id, key=clean(event.work)
    )
    if row is None:
        raise UserError(
            f"no work is called {event.work!r} here; compare it with `ordersync warehouse work {house.name}`"
        )
    return row


def _book(
    tx: Tx, house: Warehouse, id: int, event: Event, row: Any, held: frozenset[int], effects: Effects, now: int
) -> str:
    """Books an event, about the handover `row`; returns what is to be known of it. Raises `UserError`."""
    if isinstance(event, Counted):
        return take_counted(tx, house, id, event, held, effects.channels, now)
    if isinstance(event, Adjusted):
        return take_adjusted(tx, house, id, event, held, effects.channels, now)
    effects.channels.add(tx.value("SELECT channel_id FROM orders WHERE id = :id", id=row.order_id))
    if isinstance(event, Left):
        return take_left(tx, house, row, id, event, now)
    if isinstance(event, Accepted):
        take_accepted(tx, house, row, now)
    elif isinstance(event, Declined):
        take_declined(tx, house, row, event, now)
    else:
        take_withdrawn(tx, house, event, now)
    return ""


def _sum(one: Heard, other: Heard) -> Heard:
    return Heard(*(getattr(one, name) + getattr(other, name) for name in Heard.__struct_fields__))


def take_again(store: Store, house: Warehouse, ids: Sequence[int], clock: Clock) -> Mapping[int, str]:
    """Reads and books notices that are set aside once more, each by itself; what became of each, by id."""
    became: dict[int, str] = {}
    for id in ids:
        with store.read() as tx:
            row = tx.row("SELECT * FROM notices WHERE id = :id", id=id)
        if row is None or row.state not in ("unread", "refused"):
            became[id] = "it is not set aside"
            continue

        def let_go(tx: Tx, id: int = id) -> None:
            house.fence(tx)
            tx.run("UPDATE notices SET state = 'waiting', reason = '' WHERE id = :id", id=id)

        store.transact(let_go)
        # What can be read says itself which event it is; what cannot keeps the name it is known by.
        notice = Notice(id="", body=bytes(row.body), source=row.source)
        if _read(house, notice).event is None:
            notice = msgspec.structs.replace(notice, id=row.event)
        page = NoticePage(notices=(notice,), cursor="")
        done = take_page(store, house, page, clock(), move=False, again=id)
        became[id] = next(iter(done.reasons.values()), "taken")
    return became


def settle_notices(store: Store, ids: Sequence[int], why: str, now: int) -> None:
    """Somebody has seen to notices that are set aside.

    Where parcels left that were too late to call back, or whose recall nobody has answered, nothing more is expected of
    that.
    """

    def work(tx: Tx) -> None:
        tx.rows(
            "SELECT id FROM orders WHERE id IN (SELECT h.order_id FROM notices n JOIN handovers h"
            "  ON h.id = n.handover_id WHERE n.id IN :ids) ORDER BY id /*lock*/",
            ids=list(ids),
        )
        late = tx.rows(
            "SELECT DISTINCT n.handover_id AS id FROM notices n JOIN recalls r ON r.handover_id = n.handover_id"
            " WHERE n.id IN :ids AND n.kind = 'left' AND n.state = 'refused' AND r.state IN ('refused', 'asked')"
            " AND n.observed_at >= r.created_at ORDER BY n.handover_id",
            ids=list(ids),
        )
        tx.run(
            "UPDATE notices SET state = 'settled', reason = reason || :why WHERE id IN :ids"
            " AND state IN ('unread', 'refused')",
            why=f"; seen to by hand: {why}",
            ids=list(ids),
        )
        seen_to(tx, [row.id for row in late], now, states=("refused", "asked"))

    store.transact(work)
