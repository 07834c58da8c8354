"""What a push says. Its words are fixed before its first attempt, and every further attempt says the very same.

`pushes.argument` holds them as JSON, `pushes.digest` what they were when they were first sent: empty until then, so
that whatever changes before the first attempt changes what will be said. An argument that does not fit its digest is a
bug: it is refused and told loudly, never sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
import structlog

from core.model import ZERO, Cancellation, Refund, Shipment, Voiding, instant
from core.store import tables
from core.store.database import Tx
from core.sync.channel import Channel
from core.sync.observe import digest

log = structlog.get_logger("ordersync")

Words = Shipment | Voiding | Cancellation | Refund

W = TypeVar("W")

OF_KIND: dict[str, type[Words]] = {"tracking": Shipment, "void": Voiding, "cancel": Cancellation, "refund": Refund}

BUG = "this is not what was told first, which is a bug: report it, look the order up at the channel, then drop it"


def key_of(row: Any) -> str:
    """The key the channel knows a push by. A corrected parcel keeps its own; what is retried after a refusal does not.

    A channel that remembers keys may hold a refusal against the old one.
    """
    if row.kind == "tracking":
        return f"shipment:{row.shipment_id}"
    if row.kind == "acknowledge":
        return str(row.key)
    return f"{row.kind}:{row.id}" + (f".{row.generation}" if row.generation > 1 else "")


def encoded(words: Words) -> str:
    return msgspec.json.encode(words).decode()


def decoded(argument: str, kind: type[W]) -> W:
    """The words of a push, from its `argument`."""
    return msgspec.json.decode(argument, type=kind)


def corrected_number(argument: str) -> str:
    """The tracking number that a push not yet sent is to correct; empty where it corrects none."""
    return str(msgspec.json.decode(argument).get("corrects", "")) if argument else ""


def fix_words(tx: Tx, channel: Channel, kind: str, rows: Sequence[Any], now: int) -> dict[int, Words]:
    """The words of locked pushes that are about to be sent, by id; those of a first attempt are fixed by this.

    A push that may not be sent is refused, with its reason, and left out.
    """
    first = [row for row in rows if row.digest is None]
    build: Callable[[Tx, Channel, Sequence[Any]], Iterable[tuple[int, Words | str]]] = _SAY[kind]
    said: dict[int, Words] = {}
    fixed, refused = [], []
    for id, words in build(tx, channel, first):
        if isinstance(words, str):
            refused.append((id, "refused", words, now))
        else:
            argument = encoded(words)
            said[id] = words
            fixed.append((id, argument, digest(argument.encode())))
    for row in rows:
        if row.digest is not None and bytes(row.digest) == digest(row.argument.encode()):
            said[row.id] = decoded(row.argument, OF_KIND[kind])
        elif row.digest is not None:
            log.error("a push would say something else than before", channel=channel.name, push=row.id, kind=kind)
            refused.append((row.id, "refused", BUG, now))
    tx.update(tables.pushes, ("id",), ("argument", "digest"), fixed)
    tx.update(tables.pushes, ("id",), ("state", "reason", "updated_at"), refused)
    return said


def _shipments(tx: Tx, channel: Channel, rows: Sequence[Any]) -> Iterable[tuple[int, Words | str]]:
    found = {
        row.id: row
        for row in tx.rows("SELECT * FROM shipments WHERE id IN :ids", ids=[row.shipment_id for row in rows])
    }
    units = _units(tx, rows)
    for row in rows:
        parcel = found[row.shipment_id]
        yield (
            row.id,
            Shipment(
                key=key_of(row),
                serial=row.shipment_id,
                order=row.number,
                lines=units[row.shipment_id],
                carrier=parcel.carrier,
                tracking=parcel.tracking,
                shipped_at=instant(parcel.shipped_at),
                service=parcel.service,
                place=channel.places.get(parcel.location_id, ""),
                tracking_url=parcel.tracking_url,
                corrects=corrected_number(row.argument),
            ),
        )


def _units(tx: Tx, rows: Sequence[Any]) -> dict[int, dict[str, int]]:
    """What is in the parcels of some pushes, by parcel and line number."""
    units: dict[int, dict[str, int]] = {row.shipment_id: {} for row in rows}
    for line in tx.rows(
        "SELECT s.shipment_id, l.number, s.quantity FROM shipment_lines s JOIN lines l ON l.id = s.line_id"
        " WHERE s.shipment_id IN :ids ORDER BY l.id",
        ids=list(units),
    ):
        units[line.shipment_id][line.number] = line.quantity
    return units


def _voids(tx: Tx, channel: Channel, rows: Sequence[Any]) -> Iterable[tuple[int, Words | str]]:
    """By all that the channel was told of a parcel and has answered to it: nothing of that changes any more."""
    units = _units(tx, rows)
    told: dict[int, list[Any]] = {id: [] for id in units}
    for push in tx.rows(
        "SELECT shipment_id, argument, ticket FROM pushes WHERE order_id IN :orders AND shipment_id IN :ids"
        " AND kind = 'tracking' AND digest IS NOT NULL ORDER BY id DESC",
        orders=sorted({row.order_id for row in rows}),
        ids=list(told),
    ):
        told[push.shipment_id].append(push)
    for row in rows:
        said = told[row.shipment_id]
        words = Voiding(
            key=key_of(row),
            order=row.number,
            told=f"shipment:{row.shipment_id}",
            numbers=tuple(dict.fromkeys(decoded(push.argument, Shipment).tracking for push in said)),
            lines=units[row.shipment_id],
            tickets=tuple(dict.fromkeys(push.ticket for push in said if push.ticket)),
        )
        yield row.id, words


def _cancellations(tx: Tx, channel: Channel, rows: Sequence[Any]) -> Iterable[tuple[int, Words | str]]:
    return [(row.id, decoded(row.argument, Cancellation)) for row in rows]  # they were decided whole


def _refunds(tx: Tx, channel: Channel, rows: Sequence[Any]) -> Iterable[tuple[int, Words | str]]:
    """A refund as it was decided, beside all refunds there are by now.

    Who gave the same money back at the channel meanwhile may have meant this one: a person has to say.
    """
    given: dict[int, list[Any]] = {row.order_id: [] for row in rows}
    for one in tx.rows(
        "SELECT order_id, number, amount, push_id FROM refunds WHERE order_id IN :ids ORDER BY id", ids=list(given)
    ):
        given[one.order_id].append(one)
    told: dict[int, list[str]] = {row.order_id: [] for row in rows}
    for push in tx.rows(
        "SELECT order_id, ticket FROM pushes WHERE order_id IN :ids AND kind = 'refund' AND ticket <> '' ORDER BY id",
        ids=list(told),
    ):
        told[push.order_id] += numbers_in(push.ticket)
    for row in rows:
        refund = decoded(row.argument, Refund)
        amount, known = amount_of(refund), given[row.order_id]
        ours = {*refund.known, *told[row.order_id]}
        others = [one for one in known if one.push_id is None and one.number not in ours]
        same = [one for one in others if one.amount == amount * 1_000_000]
        left = Decimal(row.total - sum(one.amount for one in known)) / 1_000_000
        if same:
            yield (
                row.id,
                f"{amount} {refund.currency} was given back meanwhile ({same[0].number}); "
                "retry this refund if it is to be given besides, else drop it",
            )
        elif amount > left:
            yield row.id, f"only {left:.2f} {refund.currency} of what was paid is left; drop it and give back less"
        else:
            numbers = dict.fromkeys([*(one.number for one in known), *told[row.order_id]])
            yield row.id, msgspec.structs.replace(refund, known=tuple(numbers))


_SAY: dict[str, Any] = {"tracking": _shipments, "void": _voids, "cancel": _cancellations, "refund": _refunds}


def numbers_in(ticket: str) -> list[str]:
    """The channel's refund numbers an ack has told; see `Connector.push_refunds`."""
    return ticket.split(", ") if ticket else []


def amount_of(refund: Refund) -> Decimal:
    """All that the buyer gets by a refund."""
    return refund.shipping + sum((line.amount + line.tax for line in refund.lines.values()), ZERO)
