"""What a warehouse tells of its work."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from core.conformance.given import must
from core.conformance.warehouses.given import Given, needs
from core.conformance.warehouses.yard import Yard
from core.errors import Forged, Stale
from core.handover import Accepted, Declined, Left
from core.warehouse import Deed, WarehouseConnector


class Telling(Given):
    @needs(Deed.RELEASE, Deed.TELLS_ACCEPTED)
    def test_work_that_is_taken_up_is_told(self, warehouse: WarehouseConnector, yard: Yard) -> None:
        work, _ = self.released(warehouse, yard, 2)
        yard.accept(work.key)
        yard.let_time_pass()
        told = [one.work for one in self.told(warehouse, Accepted)]
        must(set(told) == {work.key}, f"the work taken up is {work.key}; told was {told}")

    @needs(Deed.RELEASE, Deed.TELLS_DECLINED)
    def test_declined_work_is_told_with_its_reason(self, warehouse: WarehouseConnector, yard: Yard) -> None:
        (work,) = self.released(warehouse, yard)
        yard.decline(work.key, None, "no such shelf")
        yard.let_time_pass()
        told = self.told(warehouse, Declined)
        must([one.work for one in told] == [work.key], f"{work.key} is declined; told was {told}")
        must(bool(told[0].reason), "it is told with a reason")
        wanted = {line.number: line.quantity for line in work.lines}
        must(dict(told[0].lines) in ({}, wanted), f"all of it is declined; told was {dict(told[0].lines)}")

    @needs(Deed.RELEASE, Deed.TELLS_DECLINED, Deed.RECALL_UNITS)
    def test_declined_units_are_told_by_line(self, warehouse: WarehouseConnector, yard: Yard) -> None:
        (work,) = self.released(warehouse, yard)
        yard.decline(work.key, {yard.skus[0]: 1}, "damaged")
        yard.let_time_pass()
        told = [dict(one.lines) for one in self.told(warehouse, Declined)]
        must(told == [{self.number(work, yard.skus[0]): 1}], f"one unit of its line is declined; told was {told}")

    @needs(Deed.RELEASE, Deed.TELLS_LEFT)
    def test_parcels_are_told_with_their_units_and_numbers(self, warehouse: WarehouseConnector, yard: Yard) -> None:
        (work,) = self.released(warehouse, yard)
        first, second = yard.skus[:2]
        yard.send(work.key, [("1Z1", {first: 1})])
        yard.let_time_pass()
        yard.send(work.key, [("1Z2", {first: 1, second: 1})])
        yard.let_time_pass()
        boxes = {box.tracking: dict(box.lines) for one in self.told(warehouse, Left) for box in one.boxes}
        one, two = self.number(work, first), self.number(work, second)
        wanted = {"1Z1": {one: 1}, "1Z2": {one: 1, two: 1}}
        must(boxes == wanted, f"the parcels are {wanted}; told was {boxes}")

    @needs(Deed.RELEASE, Deed.TELLS_LEFT)
    def test_parcels_that_left_at_once_are_all_told(self, warehouse: WarehouseConnector, yard: Yard) -> None:
        (work,) = self.released(warehouse, yard)
        first, second = yard.skus[:2]
        yard.send(work.key, [("1Z1", {first: 2}), ("1Z2", {second: 1})])
        yard.let_time_pass()
        told = sorted(box.tracking for one in self.told(warehouse, Left) for box in one.boxes)
        must(told == ["1Z1", "1Z2"], f"both parcels are told, each once; told was {told}")

    @needs(Deed.RELEASE, Deed.TELLS_LEFT)
    def test_a_parcel_is_told_with_its_work_and_instant(self, warehouse: WarehouseConnector, yard: Yard) -> None:
        _, work = self.released(warehouse, yard, 2)
        yard.send(work.key, [("1Z1", {yard.skus[0]: 1})])
        yard.let_time_pass()
        told = self.told(warehouse, Left)
        must([one.work for one in told] == [work.key], f"the parcel is of {work.key}; told was {told}")
        off = abs(datetime.now(UTC) - told[0].at)
        must(off < timedelta(days=1), f"it left now; told was {told[0].at}")
        must(bool(told[0].boxes[0].carrier), "it is told with its carrier")

    @needs(Deed.CALLS)
    def test_a_genuine_call_tells_its_events(self, warehouse: WarehouseConnector, yard: Yard) -> None:
        (work,) = self.released(warehouse, yard)
        yard.accept(work.key)
        notices = warehouse.receive(yard.call())
        told = [warehouse.normalize(notice.body) for notice in notices]
        must(
            [one.work for one in told if isinstance(one, Accepted)] == [work.key], f"it tells {work.key}; told: {told}"
        )

    @needs(Deed.CALLS)
    def test_a_forged_call_is_forged(self, warehouse: WarehouseConnector, yard: Yard) -> None:
        self.released(warehouse, yard)
        try:
            found = warehouse.receive(yard.call(forged=True))
        except Forged:
            return
        raise AssertionError(f"a call that is not signed by the warehouse is Forged; it gave {found}")

    @needs(Deed.CALLS)
    def test_an_old_call_is_stale(self, warehouse: WarehouseConnector, yard: Yard) -> None:
        self.released(warehouse, yard)
        try:
            found = warehouse.receive(yard.call(stale=True))
        except Stale:
            return
        raise AssertionError(f"a call of days ago is Stale; it gave {found}")
