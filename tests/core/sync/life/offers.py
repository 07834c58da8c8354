"""What is offered although it is not there, kept back although it is, and what a SKU means."""

from __future__ import annotations

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import (
    invariant,
    precondition,
    rule,
)

from core.levels import Own
from core.model import Fulfiller
from core.sync import presale
from core.sync.ahead import watch
from core.sync.levels import touch_changed_rules
from core.sync.listing_rules import set_rule
from core.sync.mapping import map_listing
from tests.core.sync.life.books import ALT, Ahead
from tests.core.sync.life.live import PRICE
from tests.core.sync.life.picking import NAME, PLACE, UNITS, Picking
from tests.core.sync.world import line

OWN = st.builds(
    Own,
    buffer=st.sampled_from([None, None, 1, 3]),
    cap=st.sampled_from([None, None, 2]),
    percent=st.sampled_from([None, None, 50]),
    stopped=st.sampled_from([False, False, False, True]),
)
SINGLE = st.sampled_from("AB")


class Offers(Picking):
    """Items are sold ahead, units are kept back, a SKU comes to mean another item; levels follow."""

    def __init__(self) -> None:
        super().__init__()
        self.stood = self.shelved()

    # Sold ahead.

    @rule(sku=SINGLE, hours=st.sampled_from([1, 40]), cap=st.one_of(st.none(), st.integers(0, 9)),
          ships=st.sampled_from(["date", "stock"]))  # fmt: skip
    def preordered(self, sku: str, hours: int, cap: int | None, ships: str) -> None:
        until = self.live.world.later(1) + hours * 3_600_000_000
        presale.preorder(self.store, sku, until, self.live.now, cap=cap, ships=ships)
        self._opened(sku, Ahead("preorder", cap, ships, until, self.books.left[sku]))

    @rule(sku=SINGLE, cap=st.integers(0, 5))
    def backordered(self, sku: str, cap: int) -> None:
        presale.backorder(self.store, sku, cap, self.live.world.later(1))
        self._opened(sku, Ahead("backorder", cap, "stock", 0, self.books.left[sku]))

    def _opened(self, sku: str, new: Ahead) -> None:
        was = self.books.ahead.get(sku)
        if was is not None and was.kind == new.kind:  # it goes on, by other words
            new.left = was.left
        self.books.ahead[sku] = new

    @precondition(lambda self: self.books.ahead)
    @rule(sku=SINGLE, kind=st.sampled_from(["preorder", "backorder"]))
    def not_ahead_any_more(self, sku: str, kind: str) -> None:
        was = self.books.ahead.get(sku)
        self.live.attempt(lambda: presale.end(self.store, sku, kind, self.live.now))
        if was is not None and was.kind == kind:
            del self.books.ahead[sku]

    @rule(name=NAME)
    def preorders_wait(self, name: str) -> None:
        """After a turn, whoever has a unit that is to ship on a day to come waits for it, and nobody else does."""
        before = self._released()
        self.live.round(name)
        self._days_that_came()
        waiting = {sku for sku, one in self.books.ahead.items() if one.kind == "preorder"}
        dated = {sku for sku in waiting if self.books.ahead[sku].ships == "date"}
        parts = {sku: {of for of in ("A", "B", "SET") if sku in self.books.parts[of]} for sku in waiting}
        held = {row.order_id for row in self.live.world.rows(
            "SELECT h.order_id FROM holds h JOIN orders o ON o.id = h.order_id WHERE h.hold = 'preorder'"
            " AND o.channel_id = :id AND h.by = 'ordersync'", id=self.live.channels[name].id)}  # fmt: skip
        for row in self.live.world.rows(
            "SELECT l.order_id, i.sku FROM lines l JOIN items i ON i.id = l.item_id JOIN orders o ON o.id = l.order_id"
            " WHERE (l.reserved > l.allocated OR l.backordered > 0) AND o.channel_id = :id AND o.fulfiller = 'merchant'"
            " AND NOT EXISTS (SELECT 1 FROM overrides v WHERE v.order_id = o.id AND v.hold = 'preorder')",
            id=self.live.channels[name].id,
        ):
            if any(row.sku in parts[sku] for sku in dated):
                assert row.order_id in held, f"order {row.order_id} has {row.sku}, which ships on a day to come"
        for (_, id, sku), override in self._released().items():
            if (_, id, sku) not in before and not override:
                assert not any(sku in parts[of] for of in dated), f"order {id} was to wait with {sku}"
        for id in held:
            skus = {kept.sku for kept in self.books.orders[id].lines.values() if kept.open}
            assert any(skus & parts[sku] for sku in waiting), f"order {id} waits for a day that nobody named"

    def _released(self) -> dict[tuple[int, int, str], bool]:
        """What locations were asked to send: work, order and item; whether somebody let that order go."""
        rows = self.live.world.rows(
            "SELECT f.id, f.order_id, i.sku, (SELECT COUNT(*) FROM overrides v WHERE v.order_id = f.order_id"
            " AND v.hold = 'preorder') AS let_go FROM fulfilment_orders f JOIN fulfilment_lines w"
            " ON w.fulfilment_order_id = f.id JOIN lines l ON l.id = w.line_id JOIN items i ON i.id = l.item_id"
            " WHERE f.state = 'released'"
        )
        return {(row.id, row.order_id, row.sku): bool(row.let_go) for row in rows}

    def _days_that_came(self) -> None:
        """Pre-orders are over once their day has come; a turn finds that out."""
        rows = self.live.world.rows("SELECT i.sku FROM presales p JOIN items i ON i.id = p.item_id")
        stand = {row.sku for row in rows}
        for sku, one in list(self.books.ahead.items()):
            over = one.kind == "preorder" and one.until <= self.live.now
            assert sku in stand or over, f"{sku} is sold ahead no more"
            if sku not in stand:
                del self.books.ahead[sku]
        assert stand == self.books.ahead.keys()

    # Levels.

    @rule()
    def levels_are_looked_at(self) -> None:
        self.levels_follow()

    @rule(name=NAME, sku=SINGLE, units=UNITS, minutes=st.sampled_from([0, 5, 40, 90]), plenty=st.booleans())
    def sold_elsewhere(self, name: str, sku: str, units: int, minutes: int, plenty: bool) -> None:
        """An order that is heard late; then the channel whose buffers follow demand learns of it.

        `plenty`: of goods that stand there for so long that there is something to keep back.
        """
        with self.plenty(sku, plenty):
            wanted = [line(1, sku, units, unit_price=PRICE)]
            number = self.live.begin(name, wanted, (), Fulfiller.MERCHANT)
            self.live.world.later(60 * minutes)
            self.live.deliver(name, self.live.far[name].now(number))
            self.levels_follow()  # what it fell by waits until the other channel has its turn
            self.live.world.later(660)
            self.live.round("mart")
            self.levels_follow()

    @invariant()
    def what_is_sold_ahead_is_offered(self) -> None:
        if self.books.ahead:
            self.levels_follow()

    def levels_follow(self) -> None:
        """What the channels that ship from everywhere are to offer, where nothing else has a say in it."""
        settings = {name: channel.settings for name, channel in self.live.channels.items()}
        touch_changed_rules(self.store, settings)
        watch(self.store)
        self.live.watch.refresh(self.store, settings, self.live.now)
        self._days_that_came()
        if any(not place.active for place in self.live.world.locations):
            return
        keep = {place.name: place.keep for place in self.live.world.locations}
        shelves = self.shelved()
        waits, buffers = self._waiting(), self.live.watch.buffers(self.store)
        offered: dict[tuple[str, str], int] = {}
        elsewhere = {row.sku for row in self.live.world.rows(
            "SELECT i.sku FROM lines l JOIN reservations r ON r.line_id = l.id JOIN items i ON i.id = r.item_id"
            " JOIN orders o ON o.id = l.order_id JOIN channels c ON c.id = o.channel_id"
            " WHERE c.name = 'zone' AND l.reserved > l.allocated")}  # fmt: skip
        for row in self.live.world.rows(
            "SELECT i.sku, i.reserved, v.desired, l.sku AS listing, c.name FROM levels v"
            " JOIN listings l ON l.id = v.listing_id JOIN items i ON i.id = l.item_id"
            " JOIN channels c ON c.id = l.channel_id WHERE c.name IN ('shop', 'mart') AND l.sku IN ('A', 'B', 'ALT')"
        ):
            if row.sku not in elsewhere and not (row.sku in self.books.ahead and any(keep.values())):
                able = self.books.offered(row.sku, row.reserved, waits.get(row.sku, 0))
                for (sku, place), (on_hand, allocated) in shelves.items():
                    able -= min(keep[place], max(0, on_hand - allocated)) if sku == row.sku else 0
                wanted = self.books.told(row.listing, able)
                if row.name == "mart":  # its buffer follows demand
                    wanted = max(0, able - buffers.get(("mart", row.sku), 0))
                assert row.desired == wanted, f"{row.desired} of {row.listing} offered, and {wanted} were to be"
                offered[row.name, row.listing] = row.desired
        sets = self.live.world.rows(
            "SELECT v.desired FROM levels v JOIN listings l ON l.id = v.listing_id JOIN channels c ON"
            " c.id = l.channel_id WHERE c.name = 'mart' AND l.sku = 'SET'"
        )
        for row in sets if {("mart", "A"), ("mart", "B")} <= offered.keys() else ():
            most = min(offered["mart", of] // per for of, per in self.books.parts["SET"].items())
            assert row.desired <= most, f"{row.desired} sets offered, and there are parts for {most}"

    @rule(listing=st.sampled_from(["A", "B", ALT]), own=OWN)
    def listed_by_its_own_rules(self, listing: str, own: Own) -> None:
        set_rule(self.store, self.live.channels["shop"].id, listing, self.live.now, **msgspec.structs.asdict(own))
        self.books.own[listing] = own
        self.levels_follow()

    def _waiting(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for row in self.live.world.rows(
            "SELECT i.sku, l.backordered FROM lines l JOIN items i ON i.id = l.item_id WHERE l.backordered > 0"
        ):
            for part, per in self.books.parts[row.sku].items():
                found[part] = found.get(part, 0) + per * row.backordered
        return found

    # Kept back.

    @rule(place=PLACE, units=st.sampled_from([1, 2]), sku=SINGLE, stays=st.sampled_from([False, False, True]))
    def kept_back(self, place: str, units: int, sku: str, stays: bool) -> None:
        """For a while, or until something else is kept there."""
        self.live.keep({place: units})
        with self.plenty(sku):
            self.levels_follow()
        if not stays:
            self.live.keep({place: 0})

    def shelved(self) -> dict[tuple[str, str], tuple[int, int]]:
        """On hand and allocated, by item and location."""
        return {
            (row.sku, row.name): (row.on_hand, row.allocated)
            for row in self.live.world.rows(
                "SELECT i.sku, p.name, s.on_hand, s.allocated FROM stock s JOIN items i ON i.id = s.item_id"
                " JOIN locations p ON p.id = s.location_id"
            )
        }

    @invariant()
    def what_is_kept_for_the_counter_is_asked_of_nobody(self) -> None:
        keep = {place.name: place.keep for place in self.live.world.locations}
        now = self.shelved()
        for key, (on_hand, allocated) in now.items():
            had, asked = self.stood.get(key, (0, 0))
            if keep[key[1]] and allocated > asked and on_hand >= had:
                assert on_hand - allocated >= keep[key[1]], f"{key}: {allocated} of {on_hand} are asked of it"
        self.stood = now

    def look(self) -> None:
        super().look()
        self.what_is_kept_for_the_counter_is_asked_of_nobody()

    # What a SKU means.

    @rule(item=SINGLE, keep=st.booleans(), twice=st.booleans(), plenty=st.booleans())
    def remapped(self, item: str, keep: bool, twice: bool, plenty: bool) -> None:
        """Open lines go over to the new item, but those that a location was asked for or sent some of."""
        with self.plenty(self.books.alt, plenty):
            if plenty:  # what it meant is promised, and nobody is asked for it yet
                self.live.world.refill(self.live.channels["shop"])
            self.goes_over(item, keep, twice)
            self.live.check()

    def goes_over(self, item: str, keep: bool, twice: bool) -> None:
        asked = {(row.order_id, row.number) for row in self.live.world.rows(
            "SELECT l.order_id, l.number FROM fulfilment_lines w JOIN lines l ON l.id = w.line_id"
            " JOIN fulfilment_orders f ON f.id = w.fulfilment_order_id"
            " WHERE f.state = 'released' AND w.quantity > w.shipped")}  # fmt: skip
        for _ in range(1 + twice):
            map_listing(self.store, self.live.channels["shop"].id, ALT, item, self.live.now, keep=keep)
        self.books.alt = item
        for id, sold in self.books.orders.items():
            for number, kept in sold.lines.items():
                goes = kept.alt and kept.ours and sold.ours and kept.open and not kept.shipped
                if goes and not keep and (id, number) not in asked:
                    kept.sku = item
