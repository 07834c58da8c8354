"""An order's values as the store's rows: written alike when it is first seen and when it is revised."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from core.model import ZERO, Hold, Line, Order, micros
from core.store import tables
from core.store.database import Tx
from core.sync.channel import Channel, Desk
from core.sync.observe import Seen
from core.sync.promise import Claim

_MILLION = Decimal(1_000_000)

ORDER_COLUMNS = (
    "version", "observed_at", "digest", "name", "placed_at", "updated_at", "currency", "total", "shipping",
    "shipping_tax", "discount", "adjustment", "money_off", "presentment_currency", "presentment_total", "fulfiller",
    "priced", "acknowledged", "test", "service", "ship_by", "deliver_by", "acknowledge_by",
)  # fmt: skip

BUYER_COLUMNS = (
    "email", "name", "company", "line1", "line2", "city", "region", "postal_code", "country", "phone",
)  # fmt: skip

LINE_COLUMNS = (
    "sku", "title", "item_id", "unit_price", "tax", "discount", "place", "ordered", "cancelled", "shipped", "reserved",
    "backordered", "held", "allocated",
)  # fmt: skip


def order_values(one: Seen, order: Order, observed_at: int, now: int) -> tuple[Any, ...]:
    """The values of `ORDER_COLUMNS`."""
    return (
        order.version,
        observed_at,
        one.digest,
        order.name,
        micros(order.placed_at),
        now,
        order.currency,
        millionths(order.total),
        millionths(order.shipping),
        millionths(order.shipping_tax),
        millionths(order.discount),
        millionths(order.adjustment),
        millionths(one.money_off),
        order.presentment_currency,
        millionths(order.presentment_total),
        order.fulfiller.value,
        order.priced,
        order.acknowledged,
        order.test,
        order.service,
        None if order.ship_by is None else micros(order.ship_by),
        None if order.deliver_by is None else micros(order.deliver_by),
        None if order.acknowledge_by is None else micros(order.acknowledge_by),
    )


def millionths(amount: Decimal) -> int:
    """Money as the store keeps it; parts below a millionth are rounded half to even."""
    return round(amount * _MILLION) if amount is not ZERO and amount else 0


def buyer_values(order: Order) -> tuple[str, ...]:
    """The values of `BUYER_COLUMNS`."""
    to = order.ship_to
    if to is None:
        return (order.email, "", "", "", "", "", "", "", "", "")
    return (
        order.email, to.name, to.company, to.line1, to.line2, to.city, to.region, to.postal_code, to.country, to.phone,
    )  # fmt: skip


def line_values(line: Line, item_id: int | None, claim: Claim) -> tuple[Any, ...]:
    """The values of `LINE_COLUMNS` for a line whose counts are its channel's."""
    return (
        line.sku,
        line.title,
        item_id,
        millionths(line.unit_price),
        millionths(line.tax),
        millionths(line.discount),
        line.place,
        line.ordered,
        line.cancelled,
        line.shipped,
        claim.reserved,
        claim.backordered,
        claim.held,
        claim.allocated,
    )


FIRST_COLUMNS = ("first_asked", "first_filled")
"""Written with a line's insert and never again: the measure of what it got when it came."""


def first_values(line: Line, claim: Claim) -> tuple[int, int]:
    """The values of `FIRST_COLUMNS`: a line of which some had left before it was seen asked nothing of our stock."""
    return (0, 0) if line.shipped else (claim.open, claim.reserved)


def write_documents(tx: Tx, documents: Iterable[tuple[int, Seen, Order]], observed_at: int) -> None:
    """Keeps the raw documents, by (order's id, observation, order)."""
    rows = [(order_id, observed_at, order.version, one.body) for order_id, one, order in documents]
    tx.insert(tables.documents, ("order_id", "observed_at", "version", "body"), rows)


def write_holds(tx: Tx, holds: Sequence[tuple[int, Hold]], now: int) -> None:
    """The channel's holds, by (order's id, hold)."""
    rows = [(order_id, hold.value, "channel", now) for order_id, hold in holds]
    tx.insert(tables.holds, ("order_id", "hold", "by", "since"), rows, "ON CONFLICT DO NOTHING")


def want_acknowledgement(tx: Tx, channel: Channel, orders: Sequence[int], now: int) -> None:
    """Makes the acknowledgement of orders due."""
    rows = [(channel.id, "acknowledge", f"order:{id}", id, now, now, now) for id in orders]
    columns = ("channel_id", "kind", "key", "order_id", "due_at", "created_at", "updated_at")
    tx.insert(tables.pushes, columns, rows, "ON CONFLICT DO NOTHING")


def tell(tx: Tx, events: Iterable[tuple[int, str, str]], channel: Desk, now: int) -> None:
    """Appends to orders' timelines: (order's id, event, detail)."""
    rows = [(now, "ordersync", channel.id, order_id, event, detail) for order_id, event, detail in events]
    tx.insert(tables.audit, ("at", "actor", "channel_id", "order_id", "event", "detail"), rows)
