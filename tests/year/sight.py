"""What a line was promised when it was seen first: read off the reservations just then, and foreseen from the books.

The store's own note of it is not looked at. Foreseen are lines that are alone with what is free: none of an order that
changes in the same page has open units of their items, and none has left elsewhere. Kits are not: they go whole from
one location, and what is free there depends on routes.
"""

from __future__ import annotations

from collections import Counter

from core.model import Fulfiller, Order, Page
from tests.core.sync.life.far import open_units
from tests.year.stage import Stage


class Sight(Stage):
    def _look(self, name: str, page: Page, stored: bool) -> None:
        orders = [self.far[name].now(one.number) for one in page.observations]
        if stored:
            self._saw(name, orders)
        else:
            self._foresee(name, orders)

    def _foresee(self, name: str, orders: list[Order]) -> None:
        new = [order for order in orders if (name, order.number) not in self.ids and _ours(order)]
        for order in orders:
            if order not in new or any(line.shipped for line in order.lines):
                self._loud |= self._moving(name, order)
        free = Counter(self._on_hand())
        for row in self.world.rows(
            "SELECT i.sku, SUM(r.quantity) AS units FROM reservations r JOIN items i ON i.id = r.item_id GROUP BY i.sku"
        ):
            free[row.sku] -= int(row.units)
        for order in sorted(new, key=lambda one: (one.placed_at, one.number)):
            for line in order.lines:
                parts = self.books.parts[line.sku]
                if self._loud & parts.keys() or len(parts) > 1:
                    self._loud |= parts.keys()
                    continue
                units = min(open_units(line), *(max(0, free[part]) // per for part, per in parts.items()))
                free.subtract({part: per * units for part, per in parts.items()})
                self._foreseen[name, order.number, line.number] = units

    def _moving(self, name: str, order: Order) -> set[str]:
        """The items an order may take or give back in this page."""
        known = self.ids.get((name, order.number))
        kept = self.books.orders[known].lines if known is not None else {}
        skus = {line.sku for line in kept.values() if line.open}
        for line in order.lines:
            left_before = known is None and line.shipped
            still = line.number not in kept or kept[line.number].open
            if open_units(line) or left_before or still:
                skus.add(line.sku)
        return {part for sku in skus for part in self.books.parts[sku]}

    def _on_hand(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for (sku, _), units in self.books.on_hand.items():
            found[sku] += units
        return found

    def _saw(self, name: str, orders: list[Order]) -> None:
        promised = {
            (row.number, row.line): int(row.units)
            for row in self.world.rows(
                "SELECT o.number, l.number AS line, MIN(r.quantity / r.per) AS units FROM reservations r"
                " JOIN lines l ON l.id = r.line_id JOIN orders o ON o.id = l.order_id"
                " JOIN channels c ON c.id = o.channel_id WHERE c.name = :name AND o.number IN :numbers"
                " GROUP BY o.number, l.number",
                name=name,
                numbers=[order.number for order in orders],
            )
        }
        for order in orders:
            for line in order.lines:
                key = name, order.number, line.number
                if key in self.first or not _ours(order):
                    continue
                units = promised.get((order.number, line.number), 0)
                foreseen = self._foreseen.pop(key, None)
                self.did["promises foreseen"] += foreseen is not None
                if foreseen not in (None, units):
                    self.wrong.append(f"line {key}: {units} promised at first, and {foreseen} were to be")
                asked = 0 if line.shipped else open_units(line)
                self.first[key] = asked, min(asked, units)
                self.did["units short at first"] += asked - self.first[key][1]


def _ours(order: Order) -> bool:
    return order.fulfiller is Fulfiller.MERCHANT and not order.test
