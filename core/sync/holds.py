"""Holds: an operator sets one, sets one aside, and those with an end lift by themselves.

A hold keeps what is promised and what is planned, and stops the release. Of work that a location was asked for already
it stops nothing by itself: that is asked back only where the operator says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from core.errors import UserError
from core.model import Hold, instant
from core.store import tables
from core.store.database import Store, Tx
from core.store.moves import Stock
from core.sync.channel import Channel
from core.sync.revise import REVIVED
from core.sync.revision import UNPAID
from core.sync.rows import tell
from core.sync.stored import StoredLine, close_fulfilment, load_lines, write_claims
from core.sync.warehouse import poke_warehouses, stopped_by_connector
from core.sync.work import poke

LIFTED = "hold lifted"
SET_ASIDE = "hold set aside"

_FIRM: Mapping[str, str] = {
    Hold.PENDING: "the channel has not confirmed the order yet, and may still call it off",
    Hold.TEST: "a test order is never shipped",
    Hold.ADDRESS: "the channel gave no address to ship to",
}
"""What only the channel itself can lift, and why."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What a hold came to."""

    new: bool
    """False: it was held before; its reason and its end are the new ones."""
    recalled: Mapping[str, int]
    """Units asked back, by location: tell it."""
    asked: Mapping[str, int]
    """Units that locations were asked for and may still send, by location."""
    asked_to_stop: frozenset[str] = frozenset()
    """Locations whose warehouse is asked to stop; the others have to be told by people."""


class Lifted(msgspec.Struct, frozen=True, kw_only=True):
    """What a release came to."""

    lifted: str
    still: Sequence[str]
    """What holds the order all the same."""


def hold(
    store: Store,
    order_id: int,
    why: str,
    now: int,
    *,
    until: int | None = None,
    recall: bool = False,
    actor: str = "operator",
) -> Held:
    """Holds an order for an operator, until somebody releases it or until an instant.

    Said again it replaces the reason and the end. With `recall`, units that a location was asked for and has not sent
    are asked back: their promise stays, and they are routed anew once nothing holds the order. Raises `UserError` for
    an order of which nothing is open or that is not ours to ship, and for an end that is past.
    """
    if not why.strip():
        raise UserError("a hold needs its reason; write it with --why")
    if until is not None and until <= now:
        raise UserError(f"{instant(until):%Y-%m-%d %H:%M}Z is past; give a later --until, or none")

    def work(tx: Tx) -> tuple[Held, int]:
        order, lines = _open_order(tx, order_id)
        known = tx.row("SELECT 1 FROM holds WHERE order_id = :id AND hold = :hold", id=order_id, hold=Hold.OPERATOR)
        tx.insert(
            tables.holds,
            ("order_id", "hold", "by", "why", "since", "until"),
            [(order_id, Hold.OPERATOR.value, actor, why.strip(), now, until)],
            'ON CONFLICT (order_id, hold) DO UPDATE SET "by" = excluded."by", why = excluded.why,'
            " since = excluded.since, until = excluded.until",
        )
        names = {row.id: row.name for row in tx.rows("SELECT id, name FROM locations")}
        asked = _asked(lines, names)
        recalled = asked if recall else {}
        if recalled:
            _recall(tx, lines, now)
        told = [f"operator: {why.strip()}"]
        told += [f"until {instant(until):%Y-%m-%d %H:%M}Z"] if until is not None else []
        stopped = frozenset(names[id] for id in stopped_by_connector(tx, names)) if recalled else frozenset()
        for place, count in recalled.items():
            told.append(f"{count} asked back from {place}: {'it is asked to stop' if place in stopped else 'tell it'}")
        _audit(tx, order, actor, "held", "; ".join(told), now)
        asked = {} if recall else asked
        return Held(new=known is None, recalled=recalled, asked=asked, asked_to_stop=stopped), order.channel_id

    held, channel_id = store.transact(work)
    poke(store, [channel_id])
    if held.recalled:
        poke_warehouses(store)  # they are told by themselves what is not wanted any more
    return held


def _open_order(tx: Tx, order_id: int) -> tuple[Any, list[StoredLine]]:
    order = tx.row("SELECT * FROM orders WHERE id = :id /*lock*/", id=order_id)
    if order is None:
        raise UserError(f"there is no order {order_id}; see `ordersync orders`")
    if order.fulfiller != "merchant":
        raise UserError(f"the channel itself ships order {order.name}; hold it there")
    lines = load_lines(tx, [order_id])[order_id]
    if not any(line.claim.open for line in lines):
        raise UserError(f"nothing of order {order.name} is open; there is nothing to hold back")
    return order, lines


def _asked(lines: Sequence[StoredLine], names: Mapping[int, str]) -> dict[str, int]:
    """Units that locations were asked to send and have not sent, by location."""
    found: dict[str, int] = {}
    for line in lines:
        for one in line.bound:
            if one.state == "released" and one.open:
                found[names[one.location_id]] = found.get(names[one.location_id], 0) + one.open
    return found


def _recall(tx: Tx, lines: Sequence[StoredLine], now: int) -> None:
    """Unbinds what was released and has not left; the promises stay."""
    stock = Stock(tx, {item for line in lines for item, _ in line.claim.parts or ()})
    back = [(line, one) for line in lines for one in line.bound if one.state == "released" and one.open]
    for line, one in back:
        stock.allocate(line.claim.parts or (), -one.open, one.location_id)
        line.claim.allocated -= one.open
        one.quantity = one.shipped
    write_claims(tx, [line.claim for line in lines])
    close_fulfilment(tx, [one for _, one in back])
    stock.write(now)


def lift(store: Store, order_id: int, kind: Hold | None, now: int, *, why: str = "", actor: str = "operator") -> Lifted:
    """Lifts the operator's own hold of an order, or the one of `kind`.

    One that the channel set is set aside: `why` is kept with who did it, and the channel's saying it again sets it no
    more until it has stopped saying it. Raises `UserError` where nothing of that kind holds the order, where only the
    channel can lift it, and for one of the channel's without a reason.
    """

    def work(tx: Tx) -> tuple[Lifted, int]:
        order = tx.row("SELECT * FROM orders WHERE id = :id /*lock*/", id=order_id)
        if order is None:
            raise UserError(f"there is no order {order_id}; see `ordersync orders`")
        rows = {row.hold: row for row in tx.rows("SELECT * FROM holds WHERE order_id = :id ORDER BY hold", id=order_id)}
        wanted = (kind or Hold.OPERATOR).value
        if wanted not in rows:
            others = ", ".join(rows)
            told = f"it is held for {others}: name it with --hold" if others else "nothing holds it"
            raise UserError(f"order {order.name} is not held for {wanted}; {told}")
        row = rows[wanted]
        event = LIFTED
        if row.by == "channel":
            event = SET_ASIDE
            _refuse_firm(order, wanted, why)
        if row.by == "channel" or wanted == Hold.PREORDER:  # who judged an address remembers which
            _set_aside(tx, order_id, wanted, actor, why.strip(), now)
        tx.run("DELETE FROM holds WHERE order_id = :id AND hold = :hold", id=order_id, hold=wanted)
        _audit(tx, order, actor, event, wanted + (f": {why.strip()}" if why.strip() else ""), now)
        still = [one for one in rows if one != wanted]
        if not UNPAID.intersection(still) and tx.run("DELETE FROM expiries WHERE order_id = :id", id=order_id):
            _audit(tx, order, actor, *REVIVED, now)
        return Lifted(lifted=wanted, still=still), order.channel_id

    lifted, channel_id = store.transact(work)
    poke(store, [channel_id])
    return lifted


def _refuse_firm(order: Any, wanted: str, why: str) -> None:
    if wanted in _FIRM:
        raise UserError(f"order {order.name} is held for {wanted} by its channel: {_FIRM[wanted]}; only there it lifts")
    if not why.strip():
        raise UserError(f"order {order.name} is held for {wanted} by its channel; say with --why what makes it ship")


def _set_aside(tx: Tx, order_id: int, hold: str, actor: str, why: str, now: int) -> None:
    tx.insert(
        tables.overrides,
        ("order_id", "hold", "by", "why", "since"),
        [(order_id, hold, actor, why, now)],
        'ON CONFLICT (order_id, hold) DO UPDATE SET "by" = excluded."by", why = excluded.why, since = excluded.since',
    )


def lift_due(store: Store, channel: Channel, now: int) -> int:
    """Lifts the holds of the channel's orders whose time has come; returns how many."""
    due = (
        "SELECT h.order_id, h.hold FROM holds h JOIN orders o ON o.id = h.order_id"
        " WHERE h.until IS NOT NULL AND h.until <= :now AND o.channel_id = :channel ORDER BY h.order_id, h.hold"
    )
    with store.read() as tx:
        if not tx.rows(due, now=now, channel=channel.id):
            return 0

    def work(tx: Tx) -> int:
        channel.fence(tx)
        ids = [row.order_id for row in tx.rows(due, now=now, channel=channel.id)]
        tx.rows("SELECT id FROM orders WHERE id IN :ids ORDER BY id /*lock*/", ids=ids)
        rows = tx.rows(due, now=now, channel=channel.id)  # as they are under lock: somebody may have prolonged one
        tx.run(
            "DELETE FROM holds WHERE until IS NOT NULL AND until <= :now AND order_id IN :ids",
            now=now,
            ids=[row.order_id for row in rows],
        )
        tell(tx, [(row.order_id, LIFTED, f"{row.hold}: its time has come") for row in rows], channel, now)
        return len(rows)

    return store.transact(work)


def _audit(tx: Tx, order: Any, actor: str, event: str, detail: str, now: int) -> None:
    tx.insert(
        tables.audit,
        ("at", "actor", "channel_id", "order_id", "event", "detail"),
        [(now, actor, order.channel_id, order.id, event, detail)],
    )
