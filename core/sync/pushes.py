"""What an operator does with the outbox: looks at it, has a refused push tried again, or drops one.

A push that is on its way is nobody's to touch: its answer comes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from core.errors import UserError
from core.model import Cancellation, Refund
from core.store import tables
from core.store.database import Store, Tx
from core.sync.cancel import restore, reword, waiting_cancellations
from core.sync.correct import requeue_parcel
from core.sync.refund import given_before, known_refunds
from core.sync.said import amount_of, decoded, encoded
from core.sync.work import poke

UNDECIDED = ("queued", "sent", "unknown", "accepted", "refused")
"""What is not done with."""


class Listed(msgspec.Struct, kw_only=True):
    """One push as its operator reads it. Instants are microseconds since 1970 UTC."""

    id: int
    channel: str
    kind: str
    order: str
    """The channel's number."""
    name: str
    what: str
    state: str
    reason: str
    attempts: int
    created_at: int
    updated_at: int


def listed(store: Store, channels: Sequence[int], *, all: bool = False, limit: int = 1000) -> list[Listed]:
    """The newest pushes of these channels that are not done with, or of `all`, the oldest of them first."""
    with store.read() as tx:
        return _listed(
            tx,
            "p.channel_id IN :channels AND p.state IN :states ORDER BY p.id DESC LIMIT :limit",
            channels=list(channels),
            states=[*UNDECIDED, *(("applied", "confirmed", "dropped") if all else ())],
            limit=limit,
        )


def _listed(tx: Tx, condition: str, **params: Any) -> list[Listed]:
    rows = tx.rows(
        "SELECT p.*, c.name AS channel, o.number, o.name, COALESCE(s.tracking, '') AS tracking,"
        " COALESCE(s.carrier, '') AS carrier FROM pushes p JOIN channels c ON c.id = p.channel_id"
        f" JOIN orders o ON o.id = p.order_id LEFT JOIN shipments s ON s.id = p.shipment_id WHERE {condition}",
        **params,
    )
    return [
        Listed(
            id=row.id,
            channel=row.channel,
            kind=row.kind,
            order=row.number,
            name=row.name,
            what=describe(row),
            state=row.state,
            reason=row.reason,
            attempts=row.attempts,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )
        for row in reversed(rows)
    ]


def describe(row: Any) -> str:
    """What a push tells, in few words; `row` holds its parcel's carrier and tracking besides."""
    if row.kind == "tracking":
        return f"{row.carrier} {row.tracking}"
    if row.kind == "void":
        return f"{row.carrier} {row.tracking} never left"
    if row.kind == "cancel":
        words = decoded(row.argument, Cancellation)
        units = ", ".join(f"{count} of line {line}" for line, count in words.lines.items())
        return f"{'the whole order' if words.whole else units}: {words.reason.value.replace('_', ' ')}"
    if row.kind == "refund":
        refund = decoded(row.argument, Refund)
        return f"{amount_of(refund)} {refund.currency}: {refund.reason.value.replace('_', ' ')}"
    return ""


AGAIN = ("acknowledge", "cancel", "tracking")
"""Kinds that a channel which took them and does not show them may be told again: none of them can be done twice."""


def retry(store: Store, push_id: int, now: int, *, actor: str = "operator") -> Listed:
    """Has a push told again that was refused, with whatever was mended meanwhile, or taken and never shown.

    Raises `UserError` where that cannot be.
    """
    return _act(store, push_id, now, actor, drop=False, why="")


def drop(store: Store, push_id: int, why: str, now: int, *, actor: str = "operator") -> Listed:
    """Never tells the channel of it. Units of a cancellation that the channel still shows open are reserved again.

    Raises `UserError` while it is on its way, and once it is done.
    """
    return _act(store, push_id, now, actor, drop=True, why=why)


def _act(store: Store, push_id: int, now: int, actor: str, *, drop: bool, why: str) -> Listed:
    with store.read() as tx:
        found = tx.row("SELECT * FROM pushes WHERE id = :id", id=push_id)
    if found is None:
        raise UserError(f"there is no push {push_id}; see `ordersync push list`")

    def work(tx: Tx) -> None:
        order = tx.row("SELECT * FROM orders WHERE id = :id /*lock*/", id=found.order_id)
        push = tx.row("SELECT * FROM pushes WHERE id = :id /*lock*/", id=push_id)
        able = ("refused", "queued") if drop else ("refused",)
        unshown = push.state == "applied" and push.kind in (("cancel",) if drop else AGAIN)
        if push.state not in able and not unshown:
            raise UserError(_unable(push, drop))
        told = _drop(tx, order, push, now) if drop else _retry(tx, order, push, now)
        detail = "; ".join(part for part in (f"push {push_id}, {push.kind}", told, why) if part)
        tx.insert(
            tables.audit,
            ("at", "actor", "channel_id", "order_id", "event", "detail"),
            [(now, actor, order.channel_id, order.id, "push dropped" if drop else "push retried", detail)],
        )

    store.transact(work)
    poke(store, [found.channel_id])
    with store.read() as tx:
        return _listed(tx, "p.id = :id", id=push_id)[0]


def _unable(push: Any, drop: bool) -> str:
    what = "dropped" if drop else "retried"
    cure = {
        "queued": "it is tried again by itself; see `ordersync plan`",
        "confirmed": "the channel shows it as done",
        "applied": "the channel has taken it",
        "dropped": "it was dropped; decide anew instead",
    }.get(push.state, "it is on its way; see again after the channel's next round")
    return f"push {push.id} is {push.state} and cannot be {what}: {cure}"


def _drop(tx: Tx, order: Any, push: Any, now: int) -> str:
    told = ""
    if push.kind == "cancel":
        restored = restore(tx, order, push.id, now)
        told = ", ".join(f"{count} of line {line} reserved again or backordered" for line, count in restored.items())
    tx.run(
        "UPDATE pushes SET state = 'dropped', updated_at = :now WHERE id = :id",
        now=now,
        id=push.id,
    )
    return told


def _retry(tx: Tx, order: Any, push: Any, now: int) -> str:
    if push.kind == "tracking":
        newer = tx.value("SELECT max(id) FROM pushes WHERE order_id = :o AND shipment_id = :s AND kind = 'tracking'",
                         o=order.id, s=push.shipment_id)  # fmt: skip
        if newer != push.id:
            raise UserError(f"push {push.id} was corrected by push {newer}; that one tells the parcel")
        parcel = tx.row("SELECT * FROM shipments WHERE id = :id", id=push.shipment_id)
        if parcel.voided_at is not None:
            raise UserError(f"parcel {parcel.tracking} is void: it never left, and the channel is not told of it again")
        requeue_parcel(tx, push, now)
        return str(push.reason)
    if push.kind == "cancel":
        waiting = waiting_cancellations(tx, order.id)
        reword(tx, order, waiting, anew=push.id)
        again = tx.row("SELECT * FROM pushes WHERE id = :id", id=push.id)
        if again.generation == push.generation:
            raise UserError(f"nothing of push {push.id} is left to cancel at the channel; drop it")
    if push.kind == "void":  # said anew, under a key of its own: the channel may have been mended by hand meanwhile
        tx.run("UPDATE pushes SET generation = generation + 1, digest = NULL, argument = '' WHERE id = :id", id=push.id)
    if push.kind == "refund":
        _renew(tx, order, push)
    tx.run(
        "UPDATE pushes SET state = 'queued', reason = '', ticket = '', due_at = :now, updated_at = :now WHERE id = :id",
        now=now,
        id=push.id,
    )
    return str(push.reason)


def _renew(tx: Tx, order: Any, push: Any) -> None:
    """A refused refund decided anew, under a key of its own: beside the refunds there are by now."""
    words = decoded(push.argument, Refund)
    before = given_before(tx, order.id, but=push.id)
    left = Decimal(order.total) / 1_000_000 - before.amount
    if amount_of(words) > left:
        raise UserError(f"only {left:.2f} {words.currency} of what was paid is left to give back; drop it")
    generation = push.generation + 1
    words = msgspec.structs.replace(words, key=f"refund:{push.id}.{generation}", known=known_refunds(tx, order.id))
    tx.update(
        tables.pushes, ("id",), ("generation", "argument", "digest"), [(push.id, generation, encoded(words), None)]
    )
