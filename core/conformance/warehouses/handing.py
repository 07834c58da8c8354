"""What a connector says of itself, and work that is handed over and called back."""

from __future__ import annotations

from core.conformance.far_end import Failure
from core.conformance.given import must
from core.conformance.warehouses.given import ADDRESS, Given, needs
from core.conformance.warehouses.yard import Yard
from core.model import AckState
from core.settings import WarehouseSettings
from core.warehouse import Deed, WarehouseConnector


class Handing(Given):
    def test_every_deed_is_present_or_absent_with_a_reason(self, warehouse: WarehouseConnector, yard: Yard) -> None:
        absent = warehouse.absent
        both = warehouse.abilities & absent.keys()
        must(not both, f"a deed is present or absent, not both: {sorted(both)}")
        missing = set(Deed) - warehouse.abilities - absent.keys()
        must(not missing, f"every deed is declared; neither in abilities nor in absent: {sorted(missing)}")
        mute = sorted(deed for deed, reason in absent.items() if len(reason.split()) < 2)
        must(not mute, f"an absent deed has the reason an operator is told; without one: {mute}")

    def test_the_settings_explain_each_key_of_their_own(self, warehouse: WarehouseConnector, yard: Yard) -> None:
        settings = warehouse.Settings
        must(issubclass(settings, WarehouseSettings), f"Settings is a subclass of WarehouseSettings; it is {settings}")
        own = settings.model_fields.keys() - WarehouseSettings.model_fields.keys()
        mute = sorted(key for key in own if not settings.model_fields[key].description)
        must(not mute, f"each key has a description, which editors and examples show; without one: {mute}")

    def test_making_an_instance_needs_no_warehouse(self, warehouse: WarehouseConnector, yard: Yard) -> None:
        able = yard.fail(Failure.UNAVAILABLE)
        try:
            self.again(warehouse).close()
        except Exception as error:
            raise AssertionError(f"an instance is made without network or work; in an outage: {error!r}") from error
        finally:
            if able:
                yard.fail(None)

    def test_closing_twice_is_safe(self, warehouse: WarehouseConnector, yard: Yard) -> None:
        other = self.again(warehouse)
        self.pages(other)
        other.close()
        other.close()

    @needs(Deed.RELEASE)
    def test_work_arrives_with_its_units_and_address(self, warehouse: WarehouseConnector, yard: Yard) -> None:
        (work,) = self.released(warehouse, yard)
        there = yard.works()
        must(there.keys() == {work.key}, f"the work {work.key} arrives; there are {sorted(there)}")
        wanted = {line.sku: line.quantity for line in work.lines}
        must(dict(there[work.key].lines) == wanted, f"it asks for {wanted}; there it is {dict(there[work.key].lines)}")
        code = there[work.key].postal_code
        must(code == ADDRESS.postal_code, f"it goes to {ADDRESS.postal_code}; there it goes to {code!r}")

    @needs(Deed.RELEASE)
    def test_each_work_order_gets_one_ack(self, warehouse: WarehouseConnector, yard: Yard) -> None:
        works = [self.work(yard, serial) for serial in (1, 2, 3)]
        self.one_ack_each(warehouse.release(works), [work.key for work in works])

    @needs(Deed.RELEASE)
    def test_work_handed_over_twice_is_done_once(self, warehouse: WarehouseConnector, yard: Yard) -> None:
        works = self.released(warehouse, yard, 2)
        acks = list(self.again(warehouse).release(works))
        self.one_ack_each(acks, [work.key for work in works])
        bad = [ack for ack in acks if ack.state not in (AckState.APPLIED, AckState.ACCEPTED)]
        must(not bad, f"work that is there already is taken; the answers were {bad}")
        yard.let_time_pass()
        times = {key: order.times for key, order in yard.works().items()}
        must(times == {work.key: 1 for work in works}, f"each work is done once; it would be {times}")

    @needs(Deed.RELEASE)
    def test_work_that_is_refused_sinks_no_other(self, warehouse: WarehouseConnector, yard: Yard) -> None:
        if not self.unknown_sku:
            return
        works = [self.work(yard, 1), self.work(yard, 2, {self.unknown_sku: 1}), self.work(yard, 3)]
        acks = {ack.key: ack for ack in warehouse.release(works)}
        self.one_ack_each(acks.values(), [work.key for work in works])
        refused = acks[works[1].key]
        must(
            refused.state is AckState.REFUSED and bool(refused.reason), f"it is refused with a reason; it is {refused}"
        )
        yard.let_time_pass()
        must(
            yard.works().keys() >= {works[0].key, works[2].key}, f"the others arrive; there are {sorted(yard.works())}"
        )

    @needs(Deed.RELEASE, Deed.RECALL)
    def test_work_that_is_called_back_is_not_sent(self, warehouse: WarehouseConnector, yard: Yard) -> None:
        work, other = self.released(warehouse, yard, 2)
        must(self.ended(warehouse, yard, self.recall(work)), "work that has not left can be called back")
        left = {sku: units for sku, units in yard.works()[work.key].lines.items() if units}
        must(not left, f"nothing of it is sent any more; there it is {left}")
        must(sum(yard.works()[other.key].lines.values()) == 3, "other work is sent all the same")

    @needs(Deed.RELEASE, Deed.RECALL, Deed.RECALL_UNITS)
    def test_some_units_can_be_called_back(self, warehouse: WarehouseConnector, yard: Yard) -> None:
        (work,) = self.released(warehouse, yard)
        first, second = yard.skus[:2]
        must(self.ended(warehouse, yard, self.recall(work, units={first: 1})), "one unit of two can be called back")
        left = dict(yard.works()[work.key].lines)
        must(left == {first: 1, second: 1}, f"the rest is sent; there it is {left}")

    @needs(Deed.RELEASE, Deed.RECALL)
    def test_a_recall_asked_for_twice_happens_once(self, warehouse: WarehouseConnector, yard: Yard) -> None:
        (work,) = self.released(warehouse, yard)
        units = {yard.skus[1]: 1} if Deed.RECALL_UNITS in warehouse.abilities else None
        recall = self.recall(work, units=units)
        self.one_ack_each(warehouse.recall([recall]), [recall.key])
        must(self.ended(self.again(warehouse), yard, recall), "asked for again it is called back all the same")
        left = sum(yard.works()[work.key].lines.values())
        must(left == (2 if units else 0), f"it happens once; {left} units are left")

    @needs(Deed.RELEASE, Deed.RECALL, Deed.TELLS_LEFT)
    def test_what_has_left_cannot_be_called_back(self, warehouse: WarehouseConnector, yard: Yard) -> None:
        (work,) = self.released(warehouse, yard)
        yard.send(work.key, [("1Z1", {line.sku: line.quantity for line in work.lines})])
        yard.let_time_pass()
        must(not self.ended(warehouse, yard, self.recall(work)), "a recall of what has left is refused")
