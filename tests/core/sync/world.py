"""A small world for the rounds' tests: two locations, items, kits, channels and a clock that stands still."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

import msgspec

from core.connector import Connector
from core.model import (
    Address,
    ChannelListing,
    Hold,
    Line,
    Location,
    Order,
    Page,
    instant,
    micros,
)
from core.settings import ChannelSettings, RoutingSettings
from core.store.database import Store
from core.store.moves import Entry, Stock
from core.sync.channel import Channel, take_up
from core.sync.listings import read_listings
from core.sync.refill import refill
from core.sync.release import release
from core.sync.ship import Departure, ship
from core.sync.take_in import Counts, take_in
from tests.core.sync.fake import Fake, observation

START = micros(datetime(2026, 11, 2, 9, tzinfo=UTC))
SECOND = 1_000_000

EAST = Location(name="east", priority=1, postal_code="10001")
WEST = Location(name="west", priority=2, postal_code="94105")
NEW_YORK = Address(name="Ada", line1="1 Main St", city="New York", region="NY", postal_code="10002", country="US")
OAKLAND = Address(name="Ada", line1="2 Main St", city="Oakland", region="CA", postal_code="94601", country="US")


def line(number: str | int, sku: str, ordered: int = 1, **more: Any) -> Line:
    return Line(number=str(number), sku=sku, title=f"One {sku}", ordered=ordered, **more)


def order(number: str, *lines: Line, version: int = 1, at: int = START, **more: Any) -> Order:
    """An order whose money adds up: nothing costs anything."""
    values: dict[str, Any] = {
        "number": number,
        "name": f"#{number}",
        "version": version,
        "placed_at": instant(at),
        "currency": "USD",
        "total": Decimal(0),
        "lines": lines,
        "ship_to": NEW_YORK,
    }
    return Order(**(values | more))


def page(*orders: Order, cursor: str = "next") -> Page:
    return Page(observations=tuple(observation(one) for one in orders), cursor=cursor)


@dataclass
class World:
    store: Store
    now: int = START
    locations: list[Location] = field(default_factory=lambda: [EAST, WEST])
    routing: RoutingSettings = field(default_factory=RoutingSettings)
    items: dict[str, int] = field(default_factory=dict)

    def clock(self) -> int:
        return self.now

    def later(self, seconds: float = 60) -> int:
        self.now += int(seconds * SECOND)
        return self.now

    def channel(self, name: str = "shop", fake: Fake | None = None, **settings: Any) -> Channel:
        """A channel taken up anew; both locations ship for it and it keeps one level a listing."""
        own = ChannelSettings(**({"connector": "fake", "locations": {"east": "", "west": ""}} | settings))
        using = fake or Fake()
        using.name = name
        return take_up(self.store, name, own, cast(Connector, using), self.locations, self.routing, self.now)

    def item(self, sku: str, **on_hand: int) -> int:
        """An item with its stock by location name."""
        with self.store.write() as tx:
            tx.run("INSERT INTO items (sku, title) VALUES (:sku, :sku)", sku=sku)
            self.items[sku] = tx.value("SELECT id FROM items WHERE sku = :sku", sku=sku)
        for location, units in on_hand.items():
            self.receive(sku, location, units)
        return self.items[sku]

    def kit(self, sku: str, components: Mapping[str, int]) -> int:
        kit = self.item(sku)
        with self.store.write() as tx:
            for component, quantity in components.items():
                tx.run(
                    "INSERT INTO kits (kit_id, component_id, quantity) VALUES (:kit, :component, :quantity)",
                    kit=kit,
                    component=self.items[component],
                    quantity=quantity,
                )
        return kit

    def receive(self, sku: str, location: str, units: int) -> None:
        """Units come to a location (or leave it, when negative)."""
        with self.store.write() as tx:
            spot = next(place for place in self.locations if place.name == location)
            tx.run(
                "INSERT INTO locations (name, postal_code, country, priority) VALUES (:name, :code, 'US', :priority)"
                " ON CONFLICT DO NOTHING",
                name=location,
                code=spot.postal_code,
                priority=spot.priority,
            )
            place = tx.value("SELECT id FROM locations WHERE name = :name", name=location)
            stock = Stock(tx, [self.items[sku]])
            cause = f"test:{tx.value('SELECT count(*) FROM ledger')}"
            stock.move(Entry(item_id=self.items[sku], location_id=place, cause=cause, kind="adjust", on_hand=units))
            stock.write(self.now)

    def offer(self, channel: Channel, *skus: str, **more: Any) -> None:
        """The channel lists these SKUs, and they are read."""
        fake = connector(channel)
        fake.offers += [ChannelListing(sku=sku, title=sku, **more) for sku in skus]
        read_listings(self.store, channel, self.clock)

    def take(self, channel: Channel, *orders: Order, cursor: str = "next", move: bool = True) -> Counts:
        """One page taken in, a second after whatever was before."""
        self.later(1)
        return take_in(self.store, channel, page(*orders, cursor=cursor), self.now, self.now, move=move)

    def refill(self, channel: Channel) -> int:
        return refill(self.store, channel, self.clock)

    def release(self, channel: Channel) -> int:
        return release(self.store, channel, self.now)

    def ship(
        self, number: str, location: str = "east", tracking: str = "T1", channel: str = "shop", **units: int
    ) -> tuple[int, bool]:
        """Units by SKU; none named: everything the location was asked for."""
        parcel = Departure(
            order_id=self.order(number, channel).id,
            location=location,
            carrier="UPS",
            tracking=tracking,
            shipped_at=self.now,
            units=units or None,
        )
        return ship(self.store, parcel, self.now)

    # What the store holds.

    def rows(self, sql: str, **params: Any) -> Sequence[Any]:
        with self.store.read() as tx:
            return tx.rows(sql, **params)

    def row(self, sql: str, **params: Any) -> Any:
        found = self.rows(sql, **params)
        assert len(found) == 1, f"{len(found)} rows"
        return found[0]

    def value(self, sql: str, **params: Any) -> Any:
        return self.row(sql, **params)[0]

    def order(self, number: str, channel: str = "shop") -> Any:
        return self.row(
            "SELECT o.* FROM orders o JOIN channels c ON c.id = o.channel_id"
            " WHERE o.number = :number AND c.name = :channel",
            number=number,
            channel=channel,
        )

    def line(self, number: str, of: str | int = 1, channel: str = "shop") -> Any:
        return self.row(
            "SELECT * FROM lines WHERE order_id = :id AND number = :number",
            id=self.order(number, channel).id,
            number=str(of),
        )

    def counts(self, number: str, of: str | int = 1, channel: str = "shop") -> dict[str, int]:
        """The line's counters that are not zero."""
        row = self.line(number, of, channel)
        names = ("ordered", "cancelled", "shipped", "reserved", "backordered", "held", "allocated")
        return {name: getattr(row, name) for name in names if getattr(row, name)}

    def stock(self, sku: str) -> tuple[int, int]:
        """On hand and reserved."""
        row = self.row("SELECT on_hand, reserved FROM items WHERE sku = :sku", sku=sku)
        return row.on_hand, row.reserved

    def at(self, sku: str) -> dict[str, tuple[int, int]]:
        """On hand and allocated by location."""
        return {
            row.name: (row.on_hand, row.allocated)
            for row in self.rows(
                "SELECT l.name, s.on_hand, s.allocated FROM stock s JOIN locations l ON l.id = s.location_id"
                " JOIN items i ON i.id = s.item_id WHERE i.sku = :sku",
                sku=sku,
            )
        }

    def work(self, number: str, channel: str = "shop") -> list[tuple[str, str, int, int]]:
        """What locations were asked for: location, state, units asked, units shipped."""
        return [
            tuple(row)
            for row in self.rows(
                "SELECT p.name, f.state, sum(l.quantity), sum(l.shipped) FROM fulfilment_orders f"
                " JOIN locations p ON p.id = f.location_id"
                " JOIN fulfilment_lines l ON l.fulfilment_order_id = f.id"
                " WHERE f.order_id = :id GROUP BY f.id, p.name, f.state ORDER BY f.id",
                id=self.order(number, channel).id,
            )
        ]

    def holds(self, number: str, channel: str = "shop") -> set[str]:
        rows = self.rows("SELECT hold FROM holds WHERE order_id = :id", id=self.order(number, channel).id)
        return {row.hold for row in rows}

    def hold(self, number: str, hold: Hold = Hold.OPERATOR, by: str = "operator") -> None:
        with self.store.write() as tx:
            tx.run(
                'INSERT INTO holds (order_id, hold, "by", since) VALUES (:id, :hold, :by, :now)',
                id=self.order(number).id,
                hold=hold.value,
                by=by,
                now=self.now,
            )

    def lift(self, number: str, hold: Hold = Hold.OPERATOR) -> None:
        with self.store.write() as tx:
            tx.run("DELETE FROM holds WHERE order_id = :id AND hold = :hold", id=self.order(number).id, hold=hold.value)

    def timeline(self, number: str) -> list[str]:
        return [
            row.event
            for row in self.rows("SELECT event FROM audit WHERE order_id = :id ORDER BY id", id=self.order(number).id)
        ]

    def channel_row(self, name: str = "shop") -> Any:
        return self.row("SELECT * FROM channels WHERE name = :name", name=name)


def connector(channel: Channel) -> Fake:
    found = channel.connector
    assert isinstance(found, Fake)
    return found


def edited(order: Order, **changes: Any) -> Order:
    """The next version of an order."""
    return msgspec.structs.replace(order, **({"version": order.version + 1} | changes))


_CONSERVED = {
    "an item's on hand is its stock's": """
        SELECT i.sku, i.on_hand, COALESCE(sum(s.on_hand), 0) AS told FROM items i LEFT JOIN stock s ON s.item_id = i.id
        GROUP BY i.id, i.sku, i.on_hand HAVING i.on_hand <> COALESCE(sum(s.on_hand), 0)""",
    "an item's reserved is its reservations'": """
        SELECT i.sku, i.reserved, COALESCE(sum(r.quantity), 0) AS told FROM items i
        LEFT JOIN reservations r ON r.item_id = i.id
        GROUP BY i.id, i.sku, i.reserved HAVING i.reserved <> COALESCE(sum(r.quantity), 0)""",
    "a line's reservations are its reserved units": """
        SELECT r.line_id, r.quantity, l.reserved * r.per AS told FROM reservations r JOIN lines l ON l.id = r.line_id
        WHERE r.quantity <> l.reserved * r.per""",
    "what is reserved has its reservations": """
        SELECT l.id FROM lines l WHERE l.reserved > 0 AND NOT EXISTS (
         SELECT 1 FROM reservations r WHERE r.line_id = l.id)""",
    "what is allocated is what open work asks for": """
        SELECT s.item_id, s.location_id, s.allocated, COALESCE(w.units, 0) AS told FROM stock s LEFT JOIN (
         SELECT r.item_id, f.location_id, sum((l.quantity - l.shipped) * r.per) AS units FROM fulfilment_lines l
         JOIN fulfilment_orders f ON f.id = l.fulfilment_order_id JOIN reservations r ON r.line_id = l.line_id
         WHERE f.state IN ('planned', 'released') GROUP BY r.item_id, f.location_id
        ) w ON w.item_id = s.item_id AND w.location_id = s.location_id WHERE s.allocated <> COALESCE(w.units, 0)""",
    "a line's allocated units are its open work's": """
        SELECT n.id, n.allocated, COALESCE(w.units, 0) AS told FROM lines n LEFT JOIN (
         SELECT l.line_id, sum(l.quantity - l.shipped) AS units FROM fulfilment_lines l
         JOIN fulfilment_orders f ON f.id = l.fulfilment_order_id WHERE f.state IN ('planned', 'released')
         GROUP BY l.line_id) w ON w.line_id = n.id WHERE n.allocated <> COALESCE(w.units, 0)""",
    "finished work asks for nothing": """
        SELECT f.id FROM fulfilment_orders f JOIN fulfilment_lines l ON l.fulfilment_order_id = f.id
        WHERE f.state IN ('done', 'cancelled', 'rejected') AND l.quantity > l.shipped""",
    "open work asks for something": """
        SELECT f.id FROM fulfilment_orders f WHERE f.state IN ('planned', 'released') AND NOT EXISTS (
         SELECT 1 FROM fulfilment_lines l WHERE l.fulfilment_order_id = f.id AND l.quantity > l.shipped)""",
    "a line balances": """
        SELECT id FROM lines WHERE ordered <> cancelled + shipped + reserved + backordered + held""",
    "what shipped is in shipments": """
        SELECT l.id, l.shipped, COALESCE(sum(s.quantity), 0) AS told FROM lines l
        LEFT JOIN shipment_lines s ON s.line_id = l.id
         AND s.shipment_id IN (SELECT id FROM shipments WHERE voided_at IS NULL)
        GROUP BY l.id, l.shipped HAVING l.shipped <> COALESCE(sum(s.quantity), 0)""",
    "the ledger tells the stock": """
        SELECT s.item_id, s.location_id, s.on_hand, COALESCE(sum(g.on_hand), 0) AS told FROM stock s
        LEFT JOIN ledger g ON g.item_id = s.item_id AND g.location_id = s.location_id
        GROUP BY s.item_id, s.location_id, s.on_hand HAVING s.on_hand <> COALESCE(sum(g.on_hand), 0)""",
}


def check(store: Store) -> None:
    """Nothing was made up and nothing lost."""
    with store.read() as tx:
        broken = {name: [tuple(row) for row in tx.rows(sql)] for name, sql in _CONSERVED.items()}
    assert not any(broken.values()), {name: rows for name, rows in broken.items() if rows}
