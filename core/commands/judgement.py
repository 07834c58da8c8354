"""The judgement of a rehearsal: what is stored here beside the simulated channels' own truth."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from core.plurals import many
from core.store.database import Store


@dataclass
class Row:
    """One channel's result."""

    channel: str
    at_channel: int = 0
    imported: int = 0
    reserved: int = 0
    backordered: int = 0
    held: int = 0
    quarantined: int = 0
    """Documents that could not be read when they came."""
    read_since: int = 0
    """Of these, those that were read once the channel wrote them as all others."""
    shipped: int = 0
    parcels: int = 0
    confirmed: int = 0
    """Parcels the channel itself shows, with their tracking number."""
    cancelled: int = 0
    """Cancellations decided here."""
    cancelled_confirmed: int = 0
    """Of these, those the channel itself shows."""
    recalled: int = 0
    """Of these, those that came after a location had been asked for the units."""
    corrected: int = 0
    """Parcels whose tracking number was corrected after it was told."""
    refunds: int = 0
    """Refunds decided here."""
    refunds_given: int = 0
    """Of these, those the channel shows, each under a number of its own."""
    levels: int = 0
    levels_equal: int = 0
    problems: list[str] = field(default_factory=list)


def judge(store: Store | None, name: str, simulator: Any) -> Row:
    """What is stored of one channel beside the truth of its simulator."""
    row = Row(name)
    if store is None:
        return row
    truths = simulator.truths()
    row.at_channel = len(truths)
    with store.read() as tx:
        channel = tx.row("SELECT * FROM channels WHERE name = :name", name=name)
        if channel is None:
            row.problems.append("the channel was never reached")
            return row
        _orders(tx, row, channel.id, truths)
        _aside(tx, row, channel.id)
        _shipments(tx, row, channel.id, simulator)
        _cancellations(tx, row, channel.id)
        _refunds(tx, row, channel.id, simulator)
        _levels(tx, row, channel.id, simulator)
    return row


def _orders(tx: Any, row: Row, channel_id: int, truths: Mapping[str, Any]) -> None:
    """Every order exactly once, each SKU's counts as at the channel."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    numbers = [found.number for found in tx.rows("SELECT number FROM orders WHERE channel_id = :id", id=channel_id)]
    row.imported = len(numbers)
    open_quarantine = "SELECT number FROM quarantine WHERE channel_id = :id AND state = 'open'"
    aside = [found.number for found in tx.rows(open_quarantine, id=channel_id)]
    missing = truths.keys() - set(numbers) - set(aside)
    if missing:
        row.problems.append(f"{many(len(missing), 'order')} missing, such as {min(missing)}")
    if len(numbers) != len(set(numbers)) or set(numbers) - truths.keys():
        row.problems.append("orders are stored that the channel does not have, or twice")
    for line in tx.rows(
        "SELECT o.number, l.* FROM lines l JOIN orders o ON o.id = l.order_id WHERE o.channel_id = :id", id=channel_id
    ):
        count = counts[line[0]]
        for word in ("ordered", "cancelled", "shipped"):
            count[f"{word} {line.sku}"] += getattr(line, word)
        row.reserved += line.reserved
        row.backordered += line.backordered
        row.held += line.held
        row.shipped += line.shipped
    for number, truth in truths.items():
        told = Counter({f"ordered {sku}": units for sku, units in truth.ordered.items()})
        told.update({f"cancelled {sku}": units for sku, units in truth.cancelled.items()})
        told.update({f"shipped {sku}": units for sku, units in truth.shipped.items()})
        if number in counts and +told != +counts[number]:
            row.problems.append(f"order {number} stands differently: {dict(+told)} there, {dict(+counts[number])} here")


def _aside(tx: Any, row: Row, channel_id: int) -> None:
    """Every document that was set aside is read by now."""
    states = [found.state for found in tx.rows("SELECT state FROM quarantine WHERE channel_id = :id", id=channel_id)]
    row.quarantined, row.read_since = len(states), states.count("resolved")
    if row.read_since < row.quarantined:
        row.problems.append(
            f"{many(row.quarantined - row.read_since, 'document')} set aside; see `ordersync quarantine`"
        )


def _shipments(tx: Any, row: Row, channel_id: int, simulator: Any) -> None:
    """Every parcel took effect at the channel exactly once, unit by unit.

    A channel may book one parcel as several effects (Shopify one for each of its own locations): their units add up.
    """
    there: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for effect in simulator.effects():
        there[effect.order, effect.tracking].update(effect.lines)
    here: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    states = {}
    for found in tx.rows(
        "SELECT o.number, s.tracking, p.state, l.sku, u.quantity FROM pushes p JOIN shipments s ON s.id = p.shipment_id"
        " JOIN orders o ON o.id = p.order_id JOIN shipment_lines u ON u.shipment_id = s.id"
        " JOIN lines l ON l.id = u.line_id WHERE p.channel_id = :id AND p.kind = 'tracking'"
        " AND NOT EXISTS (SELECT 1 FROM pushes e WHERE e.order_id = p.order_id AND e.shipment_id = p.shipment_id"
        " AND e.id > p.id)",  # the newest telling of each parcel
        id=channel_id,
    ):
        here[found.number, found.tracking][found.sku] += found.quantity
        states[found.number, found.tracking] = found.state
    row.parcels = len(here)
    row.confirmed = sum(state == "confirmed" for state in states.values())
    for key, units in here.items():
        if there.get(key) != units:
            row.problems.append(f"parcel {key[1]} of {key[0]}: {dict(there.get(key, {}))} there, {dict(units)} here")
        elif states[key] != "confirmed":
            row.problems.append(f"parcel {key[1]} of {key[0]} is {states[key]}, not confirmed")
    row.corrected = int(
        tx.value(
            "SELECT count(DISTINCT shipment_id) FROM pushes WHERE channel_id = :id AND generation > 1"
            " AND kind = 'tracking'",
            id=channel_id,
        )
    )
    strange = there.keys() - here.keys()
    if strange:
        row.problems.append(f"{many(len(strange), 'parcel')} at the channel did not leave here")


def _cancellations(tx: Any, row: Row, channel_id: int) -> None:
    """Every cancellation decided here is shown by the channel; that it happened once is in the orders' counts."""
    for found in tx.rows(
        "SELECT p.*, o.number FROM pushes p JOIN orders o ON o.id = p.order_id"
        " WHERE p.channel_id = :id AND p.kind = 'cancel' ORDER BY p.id",
        id=channel_id,
    ):
        row.cancelled += 1
        row.cancelled_confirmed += found.state == "confirmed"
        if found.state != "confirmed":
            row.problems.append(f"the cancellation of {found.number} is {found.state}, not confirmed: {found.reason}")
    row.recalled = int(
        tx.value(
            "SELECT count(*) FROM audit WHERE channel_id = :id AND event = 'cancelled here'"
            " AND detail LIKE '% already: %'",
            id=channel_id,
        )
    )


def _refunds(tx: Any, row: Row, channel_id: int, simulator: Any) -> None:
    """All the money a channel gave back is known here, order by order, and each refund decided here was given once.

    Not by their numbers: a channel that gives none has its charges numbered by the connector.
    """
    there: defaultdict[str, Decimal] = defaultdict(Decimal)
    for effect in simulator.refunds():
        there[effect.order] += effect.amount
    here: defaultdict[str, Decimal] = defaultdict(Decimal)
    ours: Counter[int] = Counter()
    for found in tx.rows(
        "SELECT r.*, o.number AS of FROM refunds r JOIN orders o ON o.id = r.order_id WHERE o.channel_id = :id",
        id=channel_id,
    ):
        here[found.of] += Decimal(found.amount) / 1_000_000
        ours[found.push_id] += found.origin == "ours"
    for number in sorted(there.keys() | here.keys()):
        if there[number] != here[number]:
            row.problems.append(f"order {number} is refunded {there[number]} there, {here[number]} here")
    for found in tx.rows("SELECT * FROM pushes WHERE channel_id = :id AND kind = 'refund' ORDER BY id", id=channel_id):
        row.refunds += 1
        row.refunds_given += found.state == "confirmed" and ours[found.id] == 1
        if found.state != "confirmed" or ours[found.id] != 1:
            row.problems.append(
                f"refund {found.id} is {found.state}, given {many(ours[found.id], 'time')}: {found.reason}"
            )


def _levels(tx: Any, row: Row, channel_id: int, simulator: Any) -> None:
    """Every level the channel shows is the one it should be told."""
    there = simulator.levels()
    for level in tx.rows(
        "SELECT i.sku, v.* FROM levels v JOIN listings i ON i.id = v.listing_id WHERE v.channel_id = :id", id=channel_id
    ):
        row.levels += 1
        if there.get((level.sku, level.place)) == level.desired:
            row.levels_equal += 1
        else:
            held = there.get((level.sku, level.place))
            row.problems.append(f"{level.sku} at {level.place or 'the channel'}: {held} there, {level.desired} here")
    if not row.levels:
        row.problems.append("no level was pushed")
