"""What a warehouse tells of its shelves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from core.conformance.given import must
from core.conformance.warehouses.given import Given, needs
from core.conformance.warehouses.yard import Yard
from core.handover import Adjusted, Counted
from core.warehouse import Deed, WarehouseConnector

SLACK = timedelta(minutes=5)


class Stocking(Given):
    @needs(Deed.TELLS_COUNTED)
    def test_a_count_names_what_was_counted_and_nothing_else(self, warehouse: WarehouseConnector, yard: Yard) -> None:
        first, second = yard.skus[:2]
        yard.count({first: 7})
        yard.let_time_pass()
        told = self.told(warehouse, Counted)
        must([dict(one.units) for one in told] == [{first: 7}], f"counted is {first}, not {second}; told was {told}")
        must(told[0].place == yard.place, f"it was counted at {yard.place}; told was {told[0].place!r}")

    @needs(Deed.TELLS_COUNTED)
    def test_nothing_left_is_counted_as_nought(self, warehouse: WarehouseConnector, yard: Yard) -> None:
        yard.count({yard.skus[0]: 0, yard.skus[1]: 3})
        yard.let_time_pass()
        told = {sku: units for one in self.told(warehouse, Counted) for sku, units in one.units.items()}
        must(told.get(yard.skus[0]) == 0, f"a shelf counted as empty is 0; told was {told}")

    @needs(Deed.TELLS_COUNTED)
    def test_a_count_says_as_of_when_it_is(self, warehouse: WarehouseConnector, yard: Yard) -> None:
        before = datetime.now(UTC)
        yard.count({yard.skus[0]: 7})
        after = datetime.now(UTC)
        yard.let_time_pass()
        (told,) = self.told(warehouse, Counted)
        must(before - SLACK <= told.as_of <= after + SLACK, f"it was counted at {after}; told was {told.as_of}")

    @needs(Deed.TELLS_ADJUSTED)
    def test_what_came_or_went_is_told_with_its_reason(self, warehouse: WarehouseConnector, yard: Yard) -> None:
        yard.adjust(yard.skus[0], -2, "broken")
        yard.adjust(yard.skus[0], 5, "found")
        yard.let_time_pass()
        told = [(one.sku, one.change, one.reason) for one in self.told(warehouse, Adjusted)]
        wanted = [(yard.skus[0], -2, "broken"), (yard.skus[0], 5, "found")]
        must(sorted(told) == sorted(wanted), f"told is {wanted}; it was {told}")
