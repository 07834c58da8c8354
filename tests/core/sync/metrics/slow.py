"""The metrics' sums once more, slowly: every row read, every order looked at by itself, no fact used."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

import msgspec

from core.store.database import Store

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Slow:
    """One reading of the whole store."""

    def __init__(self, store: Store, zone: tzinfo, now: int) -> None:
        self.zone = zone
        self.today = self.day(now)
        with store.read() as tx:
            self.orders = {row.id: row for row in tx.rows("SELECT * FROM orders")}
            self.lines = tx.rows("SELECT * FROM lines")
            self.shipments = tx.rows("SELECT * FROM shipments")
            self.pushes = tx.rows("SELECT * FROM pushes")
            self.ledger = tx.rows("SELECT * FROM ledger ORDER BY id")
            self.channels = {row.id: row.name for row in tx.rows("SELECT * FROM channels")}
            self.items = {row.id: row for row in tx.rows("SELECT * FROM items")}
            self.places = {row.id: row.name for row in tx.rows("SELECT * FROM locations")}

    def day(self, at: int) -> date:
        return (EPOCH + timedelta(microseconds=at)).astimezone(self.zone).date()

    def ours(self, channel: str) -> Iterable[Any]:
        for order in self.orders.values():
            if order.fulfiller == "merchant" and not order.test and channel in ("", self.channels[order.channel_id]):
                yield order

    def sums(self, first: date, last: date, by: str, channel: str) -> dict[str, dict[str, Any]]:
        """By key, the sums that are not zero."""
        found: defaultdict[str, Counter[str]] = defaultdict(Counter)
        minutes: defaultdict[str, Counter[int]] = defaultdict(Counter)
        for order in self.ours(channel):
            lines = [line for line in self.lines if line.order_id == order.id]
            parcels = [one for one in self.shipments if one.order_id == order.id and one.voided_at is None]
            open_ = sum(line.reserved + line.backordered + line.held for line in lines)
            placed = self.day(order.placed_at)
            if first <= placed <= last:
                self._placed(found, order, lines, parcels, open_, placed, by)
            if order.ship_by is not None and first <= self.day(order.ship_by) <= last:
                wanted = any(line.ordered > line.cancelled for line in lines)
                late = any(one.shipped_at > order.ship_by for one in parcels) or open_ > 0
                if wanted and self.day(order.ship_by) < self.today and by not in ("item", "location"):
                    key = self.key(by, self.day(order.ship_by), order)
                    found[key]["due"] += 1
                    found[key]["late"] += late
            for one in parcels:
                left = self.day(one.shipped_at)
                if first <= left <= last and by != "item":
                    place = "nowhere known" if one.location_id is None else self.places[one.location_id]
                    spent = max(0, one.shipped_at - order.placed_at) // 60_000_000
                    minutes[self.key(by, left, order, place=place)][spent] += 1
        for key, counts in minutes.items():
            found[key].update()
            found[key]["minutes"] = dict(counts)  # type: ignore[assignment]
        if not channel and by != "channel":
            self._stock(found, first, last, by)
        return {key: {name: n for name, n in one.items() if n} for key, one in found.items()}

    def key(self, by: str, day: date, order: Any = None, item: str = "", place: str = "") -> str:
        if by == "day":
            return day.isoformat()
        if by == "week":
            return (day - timedelta(days=day.isoweekday() - 1)).isoformat()
        if by == "month":
            return date(day.year, day.month, 1).isoformat()
        name = self.channels[order.channel_id] if order else ""
        return {"channel": name, "item": item, "location": place, "": ""}[by]

    def _placed(self, found: Any, order: Any, lines: Any, parcels: Any, open_: int, placed: date, by: str) -> None:
        whole_first = whole_later = True
        asked_any = False
        for line in lines:
            asked = line.first_asked
            first = min(asked, line.first_filled)
            have = line.shipped + line.reserved
            unwanted = max(0, asked - (line.ordered - line.cancelled))
            had = max(0, min(unwanted, line.first_filled - have))
            later = min(asked, have + had)
            whole_first &= first >= asked
            whole_later &= later >= asked
            if asked and by != "location":
                asked_any = True
                item = self.items[line.item_id].sku if line.item_id else "unknown"
                into = found[self.key(by, placed, order, item)]
                into.update(lines=1, units=asked, units_first=first, units_later=later)
                into.update(lines_first=first == asked, lines_later=later == asked)
        if by in ("item", "location"):
            return
        ours = [push for push in self.pushes if push.order_id == order.id and push.kind == "cancel"]
        reasons = {msgspec.json.decode(push.argument)["reason"] for push in ours if push.state != "dropped"}
        into = found[self.key(by, placed, order)]
        into.update(orders=1, cancelled=bool(reasons - {"buyer"}))
        into.update(asked=asked_any, asked_first=asked_any and whole_first, asked_later=asked_any and whole_later)
        if not open_ and any(line.shipped for line in lines):
            into.update(shipped=1, parcels=len(parcels))

    def _stock(self, found: Any, first: date, last: date, by: str) -> None:
        rows = [row for row in self.ledger if row.on_hand]
        if not rows:
            return
        first, last = max(first, min(self.day(row.at) for row in rows)), min(last, self.today)
        if first > last:
            return
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        moved: defaultdict[tuple[date, int, int], Counter[str]] = defaultdict(Counter)
        for row in rows:
            into = moved[self.day(row.at), row.item_id, row.location_id]
            into["on_hand"] += row.on_hand
            into["received"] += row.on_hand if row.kind == "receive" else 0
            into["returned"] += row.on_hand if row.kind == "return" else 0
            into["sold"] -= row.on_hand if row.kind in ("ship", "ship_outside", "void") else 0
        spots = sorted({(item, place) for day, item, place in moved if day <= last})
        on_hand = Counter({
            spot: sum(one["on_hand"] for (day, *at), one in moved.items() if day < first and tuple(at) == spot)
            for spot in spots
        })  # fmt: skip
        known = {spot for (day, *at), _ in moved.items() if day < first for spot in [tuple(at)]}
        opened: set[str] = set()
        out_items: defaultdict[str, set[str]] = defaultdict(set)
        for day in days:
            keys = {spot: self.key(by, day, item=self.items[spot[0]].sku, place=self.places[spot[1]]) for spot in spots}
            for key in {self.key(by, day)} if by in ("", "day", "week", "month") else set(keys.values()):
                if key not in opened:
                    opened.add(key)
                    found[key]["opening"] += sum(on_hand[spot] for spot in spots if keys[spot] == key)
                found[key]["stock_days"] += 1
            for spot in spots:
                one = moved.get((day, *spot), Counter())
                known |= {spot} if (day, *spot) in moved else set()
                on_hand[spot] += one["on_hand"]
                into, cost = found[keys[spot]], self.items[spot[0]].cost or 0
                into.update(received=one["received"], sold=one["sold"], returned=one["returned"])
                into.update(cost_sold=one["sold"] * cost)
                into.update(unit_days=on_hand[spot], value_days=on_hand[spot] * cost)
            together = {(item, place if by == "location" else 0) for item, place in known}
            for item, place in together:
                at = [spot for spot in known if spot[0] == item and place in (0, spot[1])]
                if sum(on_hand[spot] for spot in at) == 0:
                    key = keys[at[0]]
                    found[key]["out_days"] += 1
                    out_items[key].add(self.items[item].sku)
        for spot in spots:
            key = self.key(by, days[-1], item=self.items[spot[0]].sku, place=self.places[spot[1]])
            if by not in ("day", "week", "month"):
                found[key]["closing"] += on_hand[spot]
        for key, items in out_items.items():
            found[key]["out_items"] = len(items)
