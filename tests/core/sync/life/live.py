"""One world for the state machine of `test_life`: three channels, three locations, and books kept beside the store."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from core.errors import ChannelError, UserError
from core.model import Fulfiller, Hold, Location, Observation, Order, Page, instant
from core.store import tables
from core.store.database import Store, Tx
from core.sync.channel import Channel, Desk
from core.sync.mapping import map_listing
from core.sync.round import run_round
from core.sync.take_in import take_in
from core.sync.verify import verify
from tests.core.sync.life.books import ALT, Books, Sold, Way
from tests.core.sync.life.demand import Watch
from tests.core.sync.life.far import Far
from tests.core.sync.world import EAST, NEW_YORK, SECOND, START, WEST, World, page

T = TypeVar("T")

SOUTH = Location(name="south", priority=3, postal_code="77001")
PLACES = ("east", "west", "south")
SKUS = ("A", "B", "SET", "NEW")
CHANNELS: dict[str, dict[str, Any]] = {
    "shop": {"locations": dict.fromkeys(PLACES, "")},
    "mart": {
        "locations": dict.fromkeys(PLACES, ""),
        "backorder": "whole",
        "backorder_cancel_days": 2,
        "unpaid_expire_hours": 1,
        "backorder_priority": 50,
        "buffer": "auto",
        "buffer_quantile": 0.99,
    },
    "zone": {"locations": {"west": "", "south": ""}, "check_addresses": True},
}
PRICE = Decimal("3.10")


def digest(store: Store) -> dict[str, str]:
    """All that is stored, by table."""
    found = {}
    with store.read() as tx:
        for table in tables.metadata.sorted_tables:
            order = ", ".join(str(number + 1) for number, _ in enumerate(table.primary_key.columns)) or "1"
            rows = tx.rows(f"SELECT * FROM {table.name} ORDER BY {order}")
            found[table.name] = hashlib.sha256(repr([tuple(row) for row in rows]).encode()).hexdigest()
    return found


class Live:
    """What happens is done to the store and, if it was taken, to the books."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.world = World(store, locations=[EAST, WEST, SOUTH])
        self.books = Books()
        self.channels: dict[str, Channel] = {}
        self.far = {name: Far() for name in CHANNELS}
        self.watch = Watch(self.books.parts, self.far, self.world.clock)
        self.take_up()
        self.world.item("A")
        self.world.item("B")
        self.world.kit("SET", {"A": 2, "B": 1})
        for channel in self.channels.values():
            self.world.offer(channel, *SKUS)
        self.world.offer(self.channels["shop"], ALT)
        map_listing(store, self.channels["shop"].id, ALT, self.books.alt, self.now)

    def take_up(self) -> None:
        for name, own in CHANNELS.items():
            settings = {"import_since": instant(START), "reconcile_hours": 0, "check_addresses": False} | own
            self.channels[name] = self.world.channel(name, self.far[name], **settings)

    @property
    def now(self) -> int:
        return self.world.now

    def desk(self, tx: Tx, name: str) -> Desk:
        return self.channels[name]

    # What may be refused, and what may not.

    def attempt(self, work: Callable[[], T]) -> T | None:
        """What `work` returns; None where it was refused, and then nothing at all is another than before."""
        before = digest(self.store)
        try:
            return work()
        except UserError as error:
            refused = str(error)
        assert refused
        assert digest(self.store) == before, refused
        return None

    def check(self) -> None:
        wrong = [*self.books.disagreements(self.store), *verify(self.store, file=False)]
        assert not wrong, wrong

    # Orders.

    def begin(self, channel: str, lines: Sequence[Any], holds: Sequence[Hold], fulfiller: Fulfiller) -> str:
        far = self.far[channel]
        number = f"{channel[0]}{len(far.told) + 1}"
        far.begin(
            Order(
                number=number, name=f"#{number}", version=self.now, placed_at=instant(self.now), currency="USD",
                total=Decimal(0), shipping=Decimal(5), lines=tuple(lines), holds=tuple(holds), fulfiller=fulfiller,
                ship_to=NEW_YORK,
            )
        )  # fmt: skip
        return number

    def deliver(self, channel: str, *orders: Order) -> None:
        """One page of versions, in this order: the books know what each of them says."""
        newest: dict[str, Order] = {}
        for one in orders:  # of two in one page the newer counts
            if one.number not in newest or one.version > newest[one.number].version:
                newest[one.number] = one
        self.world.take(self.channels[channel], *orders)
        self.books.unread -= {(channel, number) for number in newest}
        left: Counter[str] = Counter()
        for order in newest.values():
            left += self.sold(channel, order.number).hear(order, self.books.alt)
        self.books.left_elsewhere(self.store, left)

    def sold(self, channel: str, number: str) -> Sold:
        id = self.world.order(number, channel).id
        return self.books.orders.setdefault(id, Sold(channel, number))

    def known(self) -> list[tuple[str, str]]:
        """Channel and number of the orders that are here."""
        return [(sold.channel, sold.number) for sold in self.books.orders.values()]

    # A channel's turn.

    def queue(self, name: str) -> dict[int, Any]:
        """The lines of a channel's orders for single items, the oldest order first, by id."""
        rows = self.world.rows(
            "SELECT l.id, l.order_id, i.sku, l.reserved, l.backordered FROM lines l JOIN items i ON i.id = l.item_id"
            " JOIN orders o ON o.id = l.order_id JOIN channels c ON c.id = o.channel_id WHERE c.name = :name"
            " AND i.sku IN ('A', 'B') AND NOT EXISTS (SELECT 1 FROM expiries e WHERE e.order_id = o.id)"
            " ORDER BY o.placed_at, o.id, l.id",
            name=name,
        )
        return {row.id: row for row in rows}

    def in_turn(self, before: Mapping[int, Any], name: str) -> None:
        """Nobody was given units that somebody of the same channel has waited for longer, and waits for still.

        Orders that a location cannot send are left out: what is there may be of no use to them.
        """
        waits: set[str] = set()
        out = {id for id, _ in self.books.out}
        for id, row in self.queue(name).items():
            given = id in before and row.reserved > before[id].reserved
            assert not (given and row.sku in waits), f"line {id} was given {row.sku} before its turn"
            if row.backordered and row.order_id not in out and id in before and before[id].backordered:
                waits.add(row.sku)

    def round(self, name: str, *, news: bool = False) -> None:
        far, channel = self.far[name], self.channels[name]
        stored = {row.number: row.version for row in self.world.rows(
            "SELECT number, version FROM orders WHERE channel_id = :id", id=channel.id)}  # fmt: skip
        late = [told[-1] for number, told in far.told.items() if told[-1].version > stored.get(number, 0)]
        far.pulls = [[page(*late)]] if news and late else []
        everyone = {name: one.settings for name, one in self.channels.items()}
        self.world.later(1)
        before, held = self.queue(name), self.held(name)
        try:
            run_round(self.store, channel, everyone, self.world.clock)
        except ChannelError:
            assert far.mood != "well"
        if not news:
            self.in_turn(before, name)
        self._catch_up(name)
        if not news:
            still = {key: until for key, until in held.items() if until is None or until > self.now}
            assert still.items() <= self.held(name).items(), "a hold was lifted before its time"

    def held(self, name: str) -> dict[tuple[int, str], int | None]:
        """Until when orders of a channel are held, by order and hold, but for what turns decide by themselves."""
        rows = self.world.rows(
            "SELECT h.order_id, h.hold, h.until FROM holds h JOIN orders o ON o.id = h.order_id JOIN channels c"
            " ON c.id = o.channel_id WHERE c.name = :name AND h.hold NOT IN ('preorder', 'address')",
            name=name,
        )
        return {(row.order_id, row.hold): row.until for row in rows}

    def _catch_up(self, name: str) -> None:
        """What a round read of its channel, and what it gave up."""
        far = self.far[name]
        left: Counter[str] = Counter()
        rows = self.world.rows(
            "SELECT number, version FROM orders WHERE channel_id = :id ORDER BY id", id=self.channels[name].id
        )
        for row in rows:
            if row.number not in far.told:
                continue
            version = next(one for one in far.told[row.number] if one.version == row.version)
            left += self.sold(name, row.number).hear(version, self.books.alt)
        self.books.left_elsewhere(self.store, left)
        if name != "mart":
            return
        for row in self.world.rows("SELECT * FROM lines WHERE order_id IN (SELECT order_id FROM pushes WHERE"
                                   " kind = 'cancel')"):  # fmt: skip
            sold = self.books.orders[row.order_id]
            line = sold.lines[row.number]
            more = row.cancelled - line.cancelled
            if more and sold.channel == "mart":
                assert 0 < more <= line.open
                assert row.cancelling - line.cancelling == (more if sold.told else 0)
                sold.cancel(row.number, more)

    def settle(self) -> None:
        """All channels answer well, what they have to say is heard once, and nothing more happens."""
        for far in self.far.values():
            far.mood = "well"
        self.keep(dict.fromkeys(PLACES, 0))
        for name, number in sorted(self.books.unread):
            self.deliver(name, self.far[name].now(number))
        self.world.later(600)
        for name in self.channels:
            self.round(name, news=True)

    def keep(self, units: Mapping[str, int]) -> None:
        """So many units of everything stay at locations for their own counters."""
        self.world.locations = [
            msgspec.structs.replace(one, keep=units.get(one.name, one.keep)) for one in self.world.locations
        ]
        self.take_up()

    def garble(self, channel: str, number: str) -> None:
        """A page with an order that nobody can read: it is set aside, and nothing else is another than before."""
        aside = ("quarantine", "channels")
        before = {table: mark for table, mark in digest(self.store).items() if table not in aside}
        bad = Page(observations=(Observation(number=number, body=b"{" + str(self.now).encode()),), cursor="next")
        take_in(self.store, self.channels[channel], bad, self.now, self.now)
        assert {table: mark for table, mark in digest(self.store).items() if table not in aside} == before
        self.books.unread.add((channel, number))

    def way(self, reference: str) -> Way:
        return self.books.ways[reference]

    def seconds(self, count: float) -> int:
        return self.now + int(count * SECOND)

    def unsettled(self) -> list[str]:
        """What should have come to an end, now that everything was heard and told."""
        unread = self.world.rows("SELECT number, reason FROM quarantine WHERE state = 'open'")
        return [*self._untold(), *self._starving(), *(f"{row.number} is set aside: {row.reason}" for row in unread)]

    def _untold(self) -> list[str]:
        """Pushes that are not done, and units cancelled here alone; what its channel wants again is a person's."""
        found = []
        refused = {row.order_id for row in self.world.rows("SELECT order_id FROM pushes WHERE state = 'refused'")}
        for row in self.world.rows("SELECT id, kind, order_id, state, reason FROM pushes ORDER BY id"):
            if row.state in ("queued", "sent", "unknown", "accepted") and row.order_id not in refused:
                found.append(f"push {row.id} ({row.kind}) is {row.state}: {row.reason}")
        for id, sold in self.books.orders.items():
            if id in refused or not sold.told:
                continue
            there = {line.number: line for line in self.far[sold.channel].now(sold.number).lines}
            for number, kept in sold.lines.items():
                if number in there and kept.cancelling and (sold.number, number) not in self.far[sold.channel].reopened:
                    found.append(f"{sold.number}/{number}: {kept.cancelling} cancelled here only")
        return found

    def _starving(self) -> list[str]:
        """Whoever waits for a single item that is free at an open location of a channel that ships from all of them."""
        found = []
        open = [place.name for place in self.world.locations if place.active]
        for row in self.world.rows(
            "SELECT l.id, i.sku, l.backordered, i.reserved FROM lines l JOIN orders o ON o.id = l.order_id"
            " JOIN channels c ON c.id = o.channel_id JOIN items i ON i.id = l.item_id WHERE l.backordered > 0"
            " AND c.name <> 'zone' AND i.sku <> 'SET' AND NOT EXISTS (SELECT 1 FROM expiries e WHERE e.order_id = o.id)"
        ):
            elsewhere = sum(at[1] for place, at in self.world.at(row.sku).items() if place not in open)
            free = (
                sum(at[0] for place, at in self.world.at(row.sku).items() if place in open) - row.reserved + elsewhere
            )
            if free > 0:
                found.append(f"line {row.id} waits for {row.backordered} of {row.sku}, and {free} are free")
        for row in self.world.rows(
            "SELECT o.number, l.sku FROM lines l JOIN orders o ON o.id = l.order_id"
            " JOIN channels c ON c.id = o.channel_id WHERE l.reserved > l.allocated AND c.name <> 'mart'"
            " AND o.fulfiller = 'merchant'"
            " AND NOT EXISTS (SELECT 1 FROM holds h WHERE h.order_id = o.id)"
            " AND NOT EXISTS (SELECT 1 FROM parked p WHERE p.order_id = o.id)"
        ):
            found.append(f"{row.number}: {row.sku} is promised, bound nowhere, and nobody says why")
        return found
