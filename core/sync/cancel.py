"""Units that will not ship: their promises are released at once, and their cancellation is due at the channel.

Until the channel shows them as cancelled the line counts them as `cancelling` too. They are nobody's again from the
first moment: a newer version of the order that still shows them open does not reserve them anew. Where the channel
refuses the cancellation for good, its operator retries it or takes it back (`restore`), which reserves again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from core.errors import UserError
from core.model import Cancellation, CancelReason
from core.store import tables
from core.store.database import Store, Tx
from core.store.moves import Stock
from core.store.unbound import as_sites
from core.sync.confirm import remaining
from core.sync.exchange import UNTOLD, is_exchange
from core.sync.promise import expired_of, reserve, write_reservations
from core.sync.said import decoded, encoded
from core.sync.stored import StoredLine, close_fulfilment, give_back, load_lines, spread
from core.sync.warehouse import poke_warehouses, stopped_by_connector
from core.sync.work import poke


@dataclass(frozen=True)
class Decision:
    """Somebody decides that units of an order will not ship."""

    order_id: int
    reason: CancelReason
    units: Mapping[str, int] | None = None
    """Units by SKU or line number; None: everything that has not shipped."""
    note: str = ""
    notify: bool = True
    """Let the channel write to the buyer, where it asks."""
    reference: str = ""
    """The decider's own: the same one of the same order is decided once, however often given."""
    actor: str = "operator"
    told: str = ""
    """Why, for the order's timeline alone."""


class Cancelled(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision came to."""

    push: int
    """The id of the push that tells the channel."""
    new: bool
    """False: the same reference was decided before, and nothing changed."""
    units: Mapping[str, int]
    """Units cancelled, by line number."""
    whole: bool
    """Nothing of the order ships any more, and nothing of it has."""
    recalled: Mapping[str, int]
    """Units that locations had been asked for already, by location: they are to be stopped."""
    asked_to_stop: frozenset[str] = frozenset()
    """Those of these locations whose warehouse is asked to stop; the others have to be told by people."""


def cancel(store: Store, decision: Decision, now: int) -> Cancelled:
    """Cancels units of an order here and makes that due at its channel, in one transaction.

    Raises `UserError` when the order is unknown or not ours to ship, when it has fewer units that have not shipped, and
    while its channel refuses an earlier cancellation.
    """
    done, channel_id = store.transact(lambda tx: decide(tx, decision, now))
    if done.new:
        poke(store, [channel_id])
    if done.asked_to_stop:
        poke_warehouses(store)
    return done


def decide(tx: Tx, decision: Decision, now: int) -> tuple[Cancelled, int]:
    """As `cancel`, within a transaction; returns the channel's id, too."""
    order = tx.row("SELECT * FROM orders WHERE id = :id /*lock*/", id=decision.order_id)
    if order is None:
        raise UserError(f"there is no order {decision.order_id}; see `ordersync orders`")
    waiting = waiting_cancellations(tx, order.id)
    key = f"order:{order.id}:{decision.reference}" if decision.reference else ""
    known = key and tx.row("SELECT * FROM pushes WHERE kind = 'cancel' AND key = :key", key=key)
    if known:
        words = decoded(known.argument, Cancellation)
        done = Cancelled(push=known.id, new=False, units=words.lines, whole=words.whole, recalled={})
        return done, order.channel_id
    if order.fulfiller != "merchant":
        raise UserError(f"the channel itself ships order {order.name}; cancel it there")
    refused = next((row for row in waiting if row.state == "refused"), None)
    if refused is not None:
        raise UserError(
            f"the channel refuses an earlier cancellation of order {order.name} ({refused.reason}); first "
            f"`ordersync push retry {refused.id}`, or `ordersync push drop {refused.id}` to take it back"
        )
    lines = load_lines(tx, [order.id])[order.id]
    units = _units(order, lines, decision.units)
    push_id = tx.ids(tables.pushes, 1)[0]
    words = Cancellation(
        key=f"cancel:{push_id}",
        order=order.number,
        lines={line.row.number: count for line, count in units},
        before={line.row.number: line.row.cancelled for line, _ in units},
        reason=decision.reason,
        whole=_is_whole(lines, {line.row.id: count for line, count in units}),
        notify=decision.notify,
        note=decision.note,
    )
    untold = is_exchange(tx, order.id)
    recalled, asked_to_stop = _release(tx, units, now, told=not untold)
    said = ("dropped", UNTOLD) if untold else ("queued", "")
    tx.insert(
        tables.pushes,
        ("id", "channel_id", "kind", "key", "order_id", "argument", "state", "reason", "due_at", "created_at",
         "updated_at"),
        [(push_id, order.channel_id, "cancel", key or f"id:{push_id}", order.id, encoded(words), *said, now, now, now)],
    )  # fmt: skip
    told = "; ".join(_told(decision, units, recalled, asked_to_stop))
    _audit(tx, order, decision.actor, "cancelled here", told, now)
    done = Cancelled(
        push=push_id,
        new=True,
        units=words.lines,
        whole=words.whole,
        recalled=recalled,
        asked_to_stop=asked_to_stop,
    )
    return done, order.channel_id


def _units(order: Any, lines: list[StoredLine], asked: Mapping[str, int] | None) -> list[tuple[StoredLine, int]]:
    if asked is None:
        units = [(line, line.claim.open) for line in lines if line.claim.open]
        if not units:
            shipped, cancelled = (sum(getattr(line.row, word) for line in lines) for word in ("shipped", "cancelled"))
            raise UserError(
                f"nothing of order {order.name} can be cancelled: {shipped} shipped, {cancelled} cancelled already; "
                "what has shipped comes back as a return"
            )
        return units
    if not asked:
        raise UserError("nothing was named to cancel; name it with --line SKU=QTY")

    def too_many(name: str, wanted: int, able: int) -> str:
        named = [line.row for line in lines if name in (line.row.number, line.row.sku)]
        shipped, cancelled = sum(row.shipped for row in named), sum(row.cancelled for row in named)
        return (
            f"{wanted} of {name} cannot be cancelled: {able} of order {order.name} are open, {shipped} shipped and "
            f"{cancelled} cancelled already; cancel what is open, the rest comes back as a return"
        )

    return spread(order, lines, asked, lambda line: line.claim.open, too_many)


def _is_whole(lines: Sequence[StoredLine], units: Mapping[int, int]) -> bool:
    return all(not line.row.shipped and line.claim.open == units.get(line.row.id, 0) for line in lines)


def _release(
    tx: Tx, units: Sequence[tuple[StoredLine, int]], now: int, *, told: bool
) -> tuple[dict[str, int], frozenset[str]]:
    """Takes the promises to `units` back, those nobody was asked for first; what locations were asked for, by name, and
    which of them are asked to stop by their warehouse's connector."""
    stock = Stock(tx, {item for line, _ in units for item, _ in line.claim.parts or ()})
    asked = {line.row.id: _released(line) for line, _ in units}
    for line, count in units:
        line.claim.open -= count
        give_back(line.claim, line.bound, stock, max(0, line.claim.reserved - line.claim.open))
    _write(tx, [(line, count) for line, count in units], told=told)
    close_fulfilment(tx, [one for line, _ in units for one in line.bound])
    stock.write(now)
    recalled: dict[int, int] = {}
    for line, _ in units:
        for place, before in asked[line.row.id].items():
            less = before - _released(line).get(place, 0)
            if less:
                recalled[place] = recalled.get(place, 0) + less
    names = {row.id: row.name for row in tx.rows("SELECT id, name FROM locations WHERE id IN :ids", ids=list(recalled))}
    stopped = stopped_by_connector(tx, recalled)
    return {names[place]: count for place, count in recalled.items()}, frozenset(names[place] for place in stopped)


def _released(line: StoredLine) -> dict[int, int]:
    """Open units that locations were asked to pick, by location."""
    found: dict[int, int] = {}
    for one in line.bound:
        if one.state == "released":
            found[one.location_id] = found.get(one.location_id, 0) + one.open
    return found


def _write(tx: Tx, units: Sequence[tuple[StoredLine, int]], *, told: bool = True) -> None:
    """The lines after `units` more of them are cancelled here; a negative number takes cancelling back.

    Not `told`: no channel will ever show them as cancelled.
    """
    tx.update(
        tables.lines,
        ("id",),
        ("cancelled+", "cancelling+", "reserved", "backordered", "held", "allocated"),
        sorted(
            (c.line_id, count, count if told else 0, c.reserved, c.backordered, c.held, c.allocated)
            for c, count in ((line.claim, count) for line, count in units)
        ),
    )
    write_reservations(tx, [line.claim for line, _ in units], known=True)
    # What was called off may be what an order that ships complete has waited for.
    tx.run("UPDATE parked SET due_at = 0 WHERE order_id IN :ids", ids=sorted({line.row.order_id for line, _ in units}))


def _told(
    decision: Decision,
    units: Sequence[tuple[StoredLine, int]],
    recalled: Mapping[str, int],
    asked_to_stop: frozenset[str],
) -> Iterator[str]:
    listed = ", ".join(f"{count} of {line.row.sku or line.row.number}" for line, count in units)
    yield f"{listed} ({decision.reason.value.replace('_', ' ')})"
    yield from (said for said in (decision.told, decision.note) if said)
    for place, count in recalled.items():
        yield f"{place} was asked for {count} already: {'it is asked to stop' if place in asked_to_stop else 'tell it'}"


def waiting_cancellations(tx: Tx, order_id: int) -> Sequence[Any]:
    """The cancellations of a locked order that its channel does not show yet, locked, the oldest first."""
    return tx.rows(
        "SELECT * FROM pushes WHERE order_id = :id AND kind = 'cancel' AND state <> 'confirmed' AND state <> 'dropped'"
        " ORDER BY id /*lock*/",
        id=order_id,
    )


def restore(tx: Tx, order: Any, push_id: int, now: int) -> dict[str, int]:
    """Takes back what its channel does not show of a waiting cancellation of a locked order: reserves it again, unless
    the order's promise has expired.

    Returns the units by line number. The push itself is the caller's to drop; its later ones are worded anew.
    """
    waiting = waiting_cancellations(tx, order.id)
    lines = load_lines(tx, [order.id])[order.id]
    left = remaining(waiting, {line.row.number: line.row.cancelling for line in lines})[push_id]
    units = [(line, left[line.row.number]) for line in lines if line.row.number in left]
    sites = as_sites(tx.value("SELECT sites FROM channels WHERE id = :id", id=order.channel_id))
    stock = Stock(tx, {item for line, _ in units for item, _ in line.claim.parts or ()}, sites)
    for line, count in units:
        line.claim.open += count
    if not expired_of(tx, [order.id]):
        reserve([line.claim for line, _ in units], stock)
    _write(tx, [(line, -count) for line, count in units])
    stock.write(now)
    reword(tx, order, [row for row in waiting if row.id != push_id])
    return left


def reword(tx: Tx, order: Any, waiting: Sequence[Any], *, anew: int | None = None) -> None:
    """What waiting cancellations of a locked order have to say by now; one that was sent once says what it said.

    `anew`: the push that is tried again after its refusal, under a key of its own.
    """
    lines = load_lines(tx, [order.id])[order.id]
    left = remaining(waiting, {line.row.number: line.row.cancelling for line in lines})
    rows = {line.row.number: line.row for line in lines}
    whole = all(not row.shipped and row.ordered == row.cancelled for row in rows.values())
    later: dict[str, int] = {}
    changed = []
    for push in reversed(waiting):
        for line, count in left[push.id].items():
            later[line] = later.get(line, 0) + count
        if left[push.id] and (push.digest is None or push.id == anew):
            generation = push.generation + (push.id == anew)
            words = msgspec.structs.replace(
                decoded(push.argument, Cancellation),
                key=f"cancel:{push.id}" + (f".{generation}" if generation > 1 else ""),
                lines=left[push.id],
                before={line: rows[line].cancelled - later[line] for line in left[push.id]},
                whole=whole and push is waiting[-1],
            )
            changed.append((push.id, generation, encoded(words), None))
    tx.update(tables.pushes, ("id",), ("generation", "argument", "digest"), changed)


def _audit(tx: Tx, order: Any, actor: str, event: str, detail: str, now: int) -> None:
    tx.insert(
        tables.audit,
        ("at", "actor", "channel_id", "order_id", "event", "detail"),
        [(now, actor, order.channel_id, order.id, event, detail)],
    )
