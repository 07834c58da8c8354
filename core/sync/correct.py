"""A parcel's tracking number or carrier was wrong: the same parcel is told anew, never a second one.

What the channel has not been told yet is simply told right. What it may have been told already is a further push of the
same parcel, with the number it corrects; it waits until the fate of the one before it is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from core.errors import UserError
from core.store import tables
from core.store.database import Store, Tx
from core.sync.confirm import told_number
from core.sync.said import corrected_number
from core.sync.work import poke


class TakesNone(UserError):
    """The channel takes no corrections of what it was told: a person must act there."""

    code = 3


@dataclass(frozen=True)
class Correction:
    """How a parcel is to be told. What is None stays."""

    order_id: int
    was: str
    """The tracking number it has here."""
    tracking: str | None = None
    carrier: str | None = None
    service: str | None = None
    tracking_url: str | None = None
    actor: str = "operator"


class Corrected(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a correction."""

    shipment: int
    push: int | None
    """The push that tells the channel; None where the channel is not told of this parcel."""
    again: bool
    """The channel may know the parcel already: it is told the correction."""


def correct(store: Store, correction: Correction, now: int, *, unable: str = "") -> Corrected:
    """Corrects a parcel of an order here and makes that due at its channel, in one transaction.

    `unable`: why the channel takes no corrections; empty where it does. Raises `UserError` when the order has no such
    parcel or another has that number, and `TakesNone` when the channel takes none and may have been told already.
    """
    done, channel_id = store.transact(lambda tx: _correct(tx, correction, unable, now))
    poke(store, [channel_id])
    return done


def _correct(tx: Tx, wanted: Correction, unable: str, now: int) -> tuple[Corrected, int]:
    order = tx.row("SELECT * FROM orders WHERE id = :id /*lock*/", id=wanted.order_id)
    if order is None:
        raise UserError(f"there is no order {wanted.order_id}; see `ordersync orders`")
    parcel = _parcel(tx, order, wanted.was.strip())
    after = {
        "tracking": parcel.tracking if wanted.tracking is None else wanted.tracking.strip(),
        "carrier": parcel.carrier if wanted.carrier is None else wanted.carrier,
        "service": parcel.service if wanted.service is None else wanted.service,
        "tracking_url": parcel.tracking_url if wanted.tracking_url is None else wanted.tracking_url,
    }
    if not after["tracking"]:
        raise UserError("a shipment needs its tracking number")
    if all(getattr(parcel, word) == value for word, value in after.items()):
        raise UserError(f"parcel {parcel.tracking} is so already; name what is to change")
    _must_be_free(tx, order, parcel, after["tracking"])
    last = tx.row(
        "SELECT p.*, s.tracking FROM pushes p JOIN shipments s ON s.id = p.shipment_id WHERE p.id ="
        " (SELECT max(id) FROM pushes WHERE kind = 'tracking' AND order_id = :order AND shipment_id = :id)",
        order=order.id,
        id=parcel.id,
    )
    if last is not None:  # seen again under lock: it may just have been sent
        last = tx.row("SELECT *, :tracking AS tracking FROM pushes WHERE id = :id /*lock*/", id=last.id,
                      tracking=parcel.tracking)  # fmt: skip
    tx.update(tables.shipments, ("id",), tuple(after), [(parcel.id, *after.values())])
    if after["tracking"] != parcel.tracking:
        tx.insert(
            tables.corrections,
            ("shipment_id", "order_id", "tracking", "carrier", "actor", "at"),
            [(parcel.id, order.id, parcel.tracking, parcel.carrier, wanted.actor, now)],
            "ON CONFLICT DO NOTHING",
        )
    push, again = _tell(tx, order, parcel, last, unable, now)
    told = f"parcel {parcel.tracking}: {parcel.carrier} {parcel.tracking} is {after['carrier']} {after['tracking']}"
    tx.insert(
        tables.audit,
        ("at", "actor", "channel_id", "order_id", "event", "detail"),
        [(now, wanted.actor, order.channel_id, order.id, "parcel corrected", told)],
    )
    return Corrected(shipment=parcel.id, push=push, again=again), order.channel_id


def _parcel(tx: Tx, order: Any, tracking: str) -> Any:
    parcels = tx.rows("SELECT * FROM shipments WHERE order_id = :id ORDER BY id", id=order.id)
    found = next((row for row in parcels if row.tracking == tracking), None)
    if found is None:
        known = ", ".join(row.tracking for row in parcels) or "none"
        raise UserError(f"order {order.name} has no parcel {tracking!r}; there are: {known}")
    if found.voided_at is not None:
        raise UserError(f"parcel {tracking} is void; book the parcel that left instead (`ordersync ship`)")
    if found.origin == "channel":
        raise UserError(f"parcel {tracking} was shipped by somebody at the channel; correct it there")
    return found


def _must_be_free(tx: Tx, order: Any, parcel: Any, tracking: str) -> None:
    other = tx.value(
        "SELECT id FROM shipments WHERE order_id = :order AND tracking = :tracking AND id <> :id"
        " UNION SELECT shipment_id FROM corrections WHERE order_id = :order AND tracking = :tracking"
        " AND shipment_id <> :id",
        order=order.id,
        tracking=tracking,
        id=parcel.id,
    )
    if other is not None:
        raise UserError(f"{tracking} is another parcel of order {order.name}; see `ordersync order {order.id}`")


def _tell(tx: Tx, order: Any, parcel: Any, last: Any, unable: str, now: int) -> tuple[int | None, bool]:
    """Makes the correction due: the push that tells it, and whether the channel may have been told before."""
    if last is None or last.state == "dropped":
        return None, False
    if last.state == "refused" or (last.state == "queued" and last.digest is None):
        # Nothing of it has taken effect: what is told next is told right.
        corrects = corrected_number(last.argument)
        _requeue(tx, last.id, corrects, now)
        return last.id, bool(corrects)
    if unable:
        raise TakesNone(f"{unable}; correct it there by hand")
    if last.state == "queued":  # tried, and not taken: the correction tells it all
        tx.run(
            "UPDATE pushes SET state = 'dropped', reason = 'corrected before it was taken', updated_at = :now"
            " WHERE id = :id",
            now=now,
            id=last.id,
        )
    push_id = tx.ids(tables.pushes, 1)[0]
    generation = last.generation + 1
    tx.insert(
        tables.pushes,
        ("id", "channel_id", "kind", "key", "generation", "argument", "order_id", "shipment_id", "due_at", "created_at",
         "updated_at"),
        [(push_id, order.channel_id, "tracking", f"shipment:{parcel.id}/{generation}", generation,
          _unsaid(told_number(last)), order.id, parcel.id, now, now, now)],
    )  # fmt: skip
    return push_id, True


def _unsaid(corrects: str) -> str:
    """What is known of a parcel's words before they are fixed: the number they correct."""
    return msgspec.json.encode({"corrects": corrects}).decode() if corrects else ""


def _requeue(tx: Tx, push_id: int, corrects: str, now: int) -> None:
    tx.run(
        "UPDATE pushes SET state = 'queued', reason = '', argument = :argument, digest = NULL, due_at = :now,"
        " updated_at = :now WHERE id = :id",
        argument=_unsaid(corrects),
        now=now,
        id=push_id,
    )


def requeue_parcel(tx: Tx, push: Any, now: int) -> None:
    """A refused, locked push of a parcel is told again, with whatever was mended meanwhile."""
    _requeue(tx, push.id, corrected_number(push.argument), now)
