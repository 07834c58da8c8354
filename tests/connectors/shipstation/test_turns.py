"""ShipStation at work in turns: what the store has by then of work, parcels, recalls and what a person has to see."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from connectors.shipstation.simulator import ShipStationSimulator
from core.model import CancelReason
from core.sync.cancel import Decision, cancel
from core.sync.channel import clock
from core.sync.verify import verify
from core.sync.void import Void, void
from tests.connectors.shipstation.yard import connect
from tests.core.sync.depot import Depot
from tests.core.sync.world import Store, World, line, order


class Floor(Depot):
    """`east` of the world is packed with ShipStation."""

    def __init__(self, world: World, simulator: ShipStationSimulator) -> None:
        self.world, self.name = world, "packers"
        self.connector: Any = connect(simulator)
        self.settings: Any = self.connector.settings
        self.take_up()


@pytest.fixture
def simulator() -> Iterator[ShipStationSimulator]:
    with ShipStationSimulator(limit=10_000) as running:
        yield running


@pytest.fixture
def floor(sqlite_store: Store, simulator: ShipStationSimulator) -> Iterator[Floor]:
    world = World(sqlite_store)
    world.now = clock() - 3_600_000_000  # labels are of this machine's own time
    made = Floor(world, simulator)
    world.item("MUG", east=10, west=0)
    made.ok()
    yield made
    assert verify(sqlite_store, file=False) == []
    made.connector.close()


def handed(floor: Floor, number: str, units: int) -> str:
    shop = floor.world.channel()
    floor.world.take(shop, order(number, line(1, "MUG", units)))
    floor.world.release(shop)
    floor.ok()
    return floor.key()


def test_labels_in_part_are_parcels_of_the_order(floor: Floor, simulator: ShipStationSimulator) -> None:
    key = handed(floor, "1", 3)
    assert {item["sku"]: item["quantity"] for item in simulator.order(key).asked["items"]} == {"MUG": 3}
    simulator.send(key, {"MUG": 1}, "1Z1")
    floor.ok()
    assert floor.world.counts("1")["shipped"] == 1
    simulator.send(key, {"MUG": 2}, "1Z2", keys=False)
    floor.ok()
    assert floor.world.counts("1")["shipped"] == 3
    assert floor.world.at("MUG")["east"] == (7, 0)
    assert [row.tracking for row in floor.world.rows("SELECT tracking FROM shipments ORDER BY id")] == ["1Z1", "1Z2"]


def test_what_is_cancelled_is_deleted_there(floor: Floor, simulator: ShipStationSimulator) -> None:
    key, other = handed(floor, "1", 2), handed(floor, "2", 1)
    cancel(floor.world.store, Decision(floor.world.order("1").id, CancelReason.OTHER), floor.world.now)
    floor.ok()
    assert {one.key: one.active for one in simulator.orders} == {key: False, other: True}
    assert [state for state, _ in floor.recalls()] == ["done"]


def test_a_label_voided_late_is_seen_by_a_person_and_its_units_are_asked_for_anew(
    floor: Floor, simulator: ShipStationSimulator
) -> None:
    key = handed(floor, "1", 2)
    label = simulator.send(key, {"MUG": 2}, "1Z1")
    floor.ok()
    simulator.void(label)
    simulator.send(key, {"MUG": 2}, "1Z2")
    floor.ok()
    _, refused, voided = floor.notices()
    assert (refused[1], "of which 2 left before" in refused[2]) == ("refused", True)  # the same units would leave twice
    assert (voided[1], "`ordersync void`" in voided[2]) == ("unread", True)
    assert floor.world.counts("1")["shipped"] == 2
    void(floor.world.store, Void(floor.world.order("1").id, "1Z1", "misprint"), floor.world.now)
    assert "shipped" not in floor.world.counts("1")
    shop = floor.world.channel()
    floor.world.refill(shop)
    floor.world.release(shop)
    floor.ok()
    assert [state for _, state in floor.work()] == ["accepted", "handed"]
    assert floor.recalls() == [("refused", floor.recalls()[0][1])]  # the old one has a label
    simulator.send(floor.key(), {"MUG": 2}, "1Z3")
    floor.ok()
    assert floor.world.counts("1")["shipped"] == 2
    assert floor.world.at("MUG")["east"] == (8, 0)


def test_an_order_whose_label_is_void_is_deleted_before_its_units_are_asked_for_anew(
    floor: Floor, simulator: ShipStationSimulator
) -> None:
    key = handed(floor, "1", 2)
    label = simulator.send(key, {"MUG": 2}, "1Z1")
    floor.ok()
    simulator.void(label)
    floor.ok()
    void(floor.world.store, Void(floor.world.order("1").id, "1Z1", "misprint"), floor.world.now)
    shop = floor.world.channel()
    floor.world.refill(shop)
    floor.world.release(shop)
    floor.ok()
    assert [state for state, _ in floor.recalls()] == ["done"]
    assert [(one.key == key, one.active) for one in simulator.orders] == [(True, False), (False, True)]
    assert [state for _, state in floor.work()] == ["recalled", "handed"]


@pytest.mark.parametrize("by", ["retry", "hand"])
def test_where_the_new_label_is_made_already_it_is_booked_and_the_order_of_the_other_number_deleted(
    floor: Floor, simulator: ShipStationSimulator, by: str
) -> None:
    """As docs/warehouses.md has it: by its own notice. Booked by hand, the other order is to be deleted by hand too."""
    key = handed(floor, "1", 2)
    label = simulator.send(key, {"MUG": 2}, "1Z1")
    floor.ok()
    simulator.void(label)
    simulator.send(key, {"MUG": 2}, "1Z2")
    floor.ok()
    void(floor.world.store, Void(floor.world.order("1").id, "1Z1", "misprint"), floor.world.now)
    shop = floor.world.channel()
    floor.world.refill(shop)
    floor.world.release(shop)
    floor.ok()
    if by == "retry":
        refused = floor.world.value("SELECT id FROM notices WHERE state = 'refused'")
        assert floor.again(refused) == {refused: "taken"}
    else:
        floor.world.ship("1", tracking="1Z2")
    floor.ok()
    assert floor.world.counts("1")["shipped"] == 2
    assert floor.world.at("MUG")["east"] == (8, 0)
    states = [state for _, state in floor.work()]
    assert states == (["done", "recalled"] if by == "retry" else ["accepted", "done"])
    assert [state for state, _ in floor.recalls()] == (["refused", "done"] if by == "retry" else ["refused"])
    assert [one.active for one in simulator.orders if one.key != key] == [by == "hand"]
