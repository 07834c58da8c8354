"""Orders routed by the rules, in the store: who is asked, who waits and why, and when it is tried again."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from core.model import Address, CancelReason, Hold, micros
from core.settings import RoutingSettings
from core.sync import refill as refilling
from core.sync.cancel import Decision, cancel
from core.sync.levels import refresh, touch_changed_rules
from core.sync.levels_explained import explain
from core.sync.pauses import pause, resume
from core.sync.traits import Traits, set_traits
from core.sync.verify import verify
from tests.core.sync.world import EAST, NEW_YORK, OAKLAND, START, WEST, World, edited, line, order

TORONTO = Address(name="Ada", line1="1 King St W", city="Toronto", region="ON", postal_code="M5H 1A1", country="CA")
HOUR = 3_600
DAY = 24 * HOUR


def at(world: World, **places: dict[str, Any]) -> None:
    """The two locations with more said of them."""
    world.locations = [
        msgspec.structs.replace(EAST, **places.get("east", {})),
        msgspec.structs.replace(WEST, **places.get("west", {})),
    ]


def parked(world: World, number: str) -> Any:
    return world.row("SELECT * FROM parked WHERE order_id = :id", id=world.order(number).id)


def chosen(world: World, number: str) -> list[str]:
    return [place for place, state, _, _ in world.work(number) if state == "planned"]


def decision(world: World, number: str) -> Any:
    rows = world.rows(
        "SELECT decision FROM fulfilment_orders WHERE order_id = :id ORDER BY id", id=world.order(number).id
    )
    return json.loads(rows[-1].decision)


def test_an_item_goes_only_where_it_can_be_handled(world: World) -> None:
    world.item("GAS", east=5)
    world.item("A", east=5)
    set_traits(world.store, {"GAS": Traits(needs=("hazmat",))}, "operator", world.now)
    at(world, west={"capabilities": frozenset({"hazmat"})})
    world.receive("GAS", "west", 1)
    shop = world.channel()
    world.take(shop, order("1", line(1, "GAS")), order("2", line(1, "GAS")), order("3", line(1, "A")))
    assert (chosen(world, "1"), chosen(world, "2"), chosen(world, "3")) == (["west"], [], ["east"])
    assert (parked(world, "2").reason, parked(world, "2").why) == ("capability", "east: lacks hazmat")
    assert world.counts("2") == {"ordered": 1, "reserved": 1}
    assert world.refill(shop) == 0
    set_traits(world.store, {"GAS": Traits(needs=())}, "operator", world.later())
    assert world.refill(shop) == 1
    assert chosen(world, "2") == ["east"]


def test_a_shipping_service_may_need_a_capability(world: World) -> None:
    world.item("A", east=5, west=5)
    at(world, west={"capabilities": frozenset({"two-day"})})
    world.routing = RoutingSettings(services={"Second Day": "two-day"})
    shop = world.channel()
    world.take(shop, order("1", line(1, "A"), service="second day"), order("2", line(1, "A"), service="Ground"))
    assert (chosen(world, "1"), chosen(world, "2")) == (["west"], ["east"])


def test_a_country_nobody_serves_parks_the_order_until_the_locations_change(world: World) -> None:
    world.item("A", east=5)
    at(world, east={"serves": frozenset({"CA"})})
    shop = world.channel()
    world.take(shop, order("1", line(1, "A")))
    assert parked(world, "1").why == "east: does not serve US"
    assert world.refill(shop) == 0
    at(world)
    assert world.refill(world.channel()) == 1


def test_an_address_corrected_under_a_hold_is_routed_once_the_hold_is_lifted(world: World) -> None:
    world.item("A", east=5)
    at(world, east={"serves": frozenset({"US"})})
    shop = world.channel()
    first = order("1", line(1, "A"), ship_to=TORONTO)
    world.take(shop, first)
    assert parked(world, "1").why == "east: does not serve CA"
    world.hold("1")
    world.take(shop, edited(first, ship_to=NEW_YORK))
    assert world.refill(shop) == 0
    world.lift("1")
    assert world.refill(shop) == 1
    assert chosen(world, "1") == ["east"]


def test_a_full_day_parks_until_tomorrow_at_the_location(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two orders a day fit. START is nine o'clock UTC, four in the morning in New York."""
    world.item("A", east=9)
    at(world, east={"capacity_orders": 2, "timezone": "America/New_York"})
    shop = world.channel()
    world.take(shop, *(order(str(n), line(1, "A"), at=START + n) for n in range(1, 5)))
    assert [bool(chosen(world, str(n))) for n in range(1, 5)] == [True, True, False, False]
    assert parked(world, "3").reason == "capacity"
    midnight = micros(datetime(2026, 11, 3, 5, tzinfo=UTC))
    assert parked(world, "3").due_at == midnight
    looked: list[Any] = []
    real = refilling.resume
    monkeypatch.setattr(
        refilling, "resume", lambda tx, own, ids, now, **how: looked.append(ids) or real(tx, own, ids, now, **how)
    )
    assert [world.refill(shop) for _ in range(3)] == [0, 0, 0]
    assert looked == []
    world.now = midnight
    assert world.refill(shop) == 2
    assert parked_none(world)
    assert tuple(world.row("SELECT day, orders, units FROM loads WHERE orders > 0")) == ("2026-11-03", 2, 2)


def parked_none(world: World) -> bool:
    return world.rows("SELECT * FROM parked") == []


def test_a_capacity_set_at_noon_counts_the_morning(world: World) -> None:
    world.item("A", east=9, west=9)
    world.take(world.channel(), order("1", line(1, "A")), order("2", line(1, "A")))
    at(world, east={"capacity_units": 3})
    shop = world.channel()
    world.take(shop, order("3", line(1, "A")), order("4", line(1, "A")))
    assert [chosen(world, n) for n in "1234"] == [["east"], ["east"], ["east"], ["west"]]


def test_work_that_is_taken_back_leaves_room_for_who_waits(world: World) -> None:
    world.item("A", east=9)
    world.item("B", east=9)
    at(world, east={"capacity_orders": 1})
    shop = world.channel()
    world.take(shop, order("1", line(1, "A")), order("2", line(1, "B")))
    cancel(world.store, Decision(world.order("1").id, CancelReason.BUYER), world.now)
    assert world.refill(shop) == 1
    assert chosen(world, "2") == ["east"]
    assert world.row("SELECT orders FROM loads WHERE orders > 0").orders == 1


def test_balance_asks_who_has_least_today(world: World) -> None:
    world.item("A", east=9, west=9)
    world.routing = RoutingSettings(rank=("balance", "priority"))
    shop = world.channel()
    world.take(shop, *(order(str(n), line(1, "A"), at=START + n) for n in range(4)))
    assert [chosen(world, str(n)) for n in range(4)] == [["east"], ["west"], ["east"], ["west"]]
    assert decision(world, "3")["candidates"][0]["load"] == 1


def test_units_kept_for_the_counter_are_neither_promised_nor_routed_nor_offered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[Any] = []
    real = refilling.resume
    monkeypatch.setattr(
        refilling, "resume", lambda tx, own, ids, now, **how: looked.append(ids) or real(tx, own, ids, now, **how)
    )
    world.item("A", east=5, west=1)
    at(world, east={"keep": 3})
    shop = world.channel(buffer=0)
    world.offer(shop, "A")
    world.take(shop, order("1", line(1, "A", 4)))
    assert world.counts("1") == {"ordered": 4, "reserved": 3, "backordered": 1, "allocated": 3}
    assert sorted((place, units) for place, _, units, _ in world.work("1")) == [("east", 2), ("west", 1)]
    own = {"shop": shop.settings}
    touch_changed_rules(world.store, own)
    refresh(world.store, own, world.now)
    assert world.value("SELECT desired FROM levels") == 0
    assert {one.location: one.counter for one in explain(world.store, own, "shop", "A", world.now).shelves} == {
        "east": 3,
        "west": 0,
    }
    assert (world.refill(shop), looked) == (0, []), "not looked at in vain"
    at(world)
    shop = world.channel()
    refresh(world.store, own, world.now)
    assert world.value("SELECT desired FROM levels") == 3, "a change of what is kept is a change of what is offered"
    assert world.refill(shop) == 1
    assert world.counts("1") == {"ordered": 4, "reserved": 4, "allocated": 4}


def test_what_was_promised_before_it_was_kept_waits(world: World) -> None:
    world.item("A", east=2)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 2)))
    world.hold("1")
    shop = world.channel()
    world.take(shop, edited(order("1", line(1, "A", 2)), version=2, ship_to=OAKLAND))
    at(world, east={"keep": 1})
    shop = world.channel()
    world.lift("1")
    world.refill(shop)
    assert world.counts("1") == {"ordered": 2, "reserved": 2, "allocated": 1}
    assert parked(world, "1").reason == "kept"


def test_a_paused_location_is_passed_over_and_asked_again_when_it_is_resumed(world: World) -> None:
    world.item("A", east=5)
    world.item("B", east=5, west=5)
    pause(world.store, "east", "stock take", "operator", world.now)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A")), order("2", line(1, "B")))
    assert (chosen(world, "1"), chosen(world, "2")) == ([], ["west"])
    assert (parked(world, "1").reason, parked(world, "1").why) == ("paused", "east: paused: stock take")
    assert world.refill(world.channel()) == 0
    resume(world.store, "east", "operator", world.later())
    assert verify(world.store, file=False) == [], "it is due to be looked at"
    assert world.refill(world.channel()) == 1
    assert chosen(world, "1") == ["east"]


def test_an_order_that_ships_complete_waits_for_all_of_it(world: World) -> None:
    world.item("A", east=5)
    world.item("B")
    world.routing = RoutingSettings(ship_complete=True)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 2), line(2, "B")), order("2", line(1, "A", 1), line(2, "B")))
    assert world.work("1") == []
    assert parked(world, "1").reason == "incomplete"
    world.receive("B", "west", 1)
    assert world.refill(shop) == 1
    assert sorted(world.work("1")) == [("east", "planned", 2, 0), ("west", "planned", 1, 0)]
    decided = Decision(world.order("2").id, CancelReason.OUT_OF_STOCK, units={"B": 1})
    cancel(world.store, decided, world.later())
    assert world.refill(shop) == 1, "what was missing was called off"
    assert world.work("2") == [("east", "planned", 1, 0)]


def test_an_order_that_ships_complete_sends_nothing_while_a_part_may_not_be_sent(world: World) -> None:
    world.item("A", east=5)
    world.item("B", west=5)
    world.routing = RoutingSettings(ship_complete=True)
    pause(world.store, "west", "", "operator", world.now)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 2), line(2, "B")))
    assert world.work("1") == []
    assert parked(world, "1").reason == "paused"
    assert world.stock("A") == (5, 2)


def test_only_orders_worth_more_than_so_much_are_split(world: World) -> None:
    world.item("A", east=2, west=2)
    world.routing = RoutingSettings(split_above=Decimal(50))
    shop = world.channel()
    cheap = order("1", line(1, "A", 3, unit_price=Decimal(10)), total=Decimal(30))
    world.take(shop, cheap)
    assert parked(world, "1").reason == "split"
    world.take(shop, edited(cheap, lines=(line(1, "A", 3, unit_price=Decimal(17)),), total=Decimal(51)))
    assert sorted(chosen(world, "1")) == ["east", "west"]


def test_after_the_cut_off_another_may_be_in_time(world: World) -> None:
    world.item("A", east=5, west=5)
    at(world, east={"cut_off": 8 * 60}, west={"cut_off": 20 * 60})
    world.routing = RoutingSettings(late="refuse")
    shop = world.channel()
    tonight = datetime(2026, 11, 2, 23, tzinfo=UTC)
    world.take(shop, order("1", line(1, "A"), ship_by=tonight), order("2", line(1, "A")))
    assert (chosen(world, "1"), chosen(world, "2")) == (["west"], ["east"])
    left = [one for one in decision(world, "1")["candidates"] if one.get("dropped")]
    assert left[0]["dropped"] == "ships on 2026-11-03, which is too late"


def test_a_holiday_and_the_weekend_move_the_ship_day(world: World) -> None:
    """START is a Monday."""
    world.item("A", east=5)
    at(world, east={"ship_days": (0, 2), "holidays": frozenset({date(2026, 11, 2), date(2026, 11, 4)})})
    shop = world.channel()
    world.take(shop, order("1", line(1, "A")))
    assert decision(world, "1")["candidates"][0]["ships"] == "2026-11-09"


def test_the_cheaper_location_is_asked_by_weight_and_zone(world: World) -> None:
    world.item("A", east=5, west=5)
    set_traits(world.store, {"A": Traits(weight=2_000)}, "operator", world.now)
    world.routing = RoutingSettings.model_validate_json(
        '{"rank": ["cost"], "zones": {"east": {"9": 8}, "west": {"9": 2}},'
        ' "costs": {"8": {"parcel": 5, "per_kg": 3}, "2": {"parcel": 9, "per_kg": 0.5}}}'
    )
    shop = world.channel()
    world.take(shop, order("1", line(1, "A"), ship_to=OAKLAND), order("2", line(1, "A", 2), ship_to=OAKLAND))
    assert (chosen(world, "1"), chosen(world, "2")) == (["west"], ["west"])
    costs = {one["location"]: one["cost"] for one in decision(world, "2")["candidates"]}
    assert costs == {"east": 17_000_000, "west": 11_000_000}


def test_an_address_that_changes_moves_planned_work_and_not_released(world: World) -> None:
    world.item("A", east=9, west=9)
    world.routing = RoutingSettings(rank=("distance",))
    shop = world.channel()
    one, two = order("1", line(1, "A", 2)), order("2", line(1, "A", 2))
    world.take(shop, one, two)
    with world.store.write() as tx:
        tx.run(
            "UPDATE fulfilment_orders SET state = 'released', released_at = 1 WHERE order_id = :id",
            id=world.order("1").id,
        )
    world.take(shop, edited(one, ship_to=OAKLAND), edited(two, ship_to=OAKLAND))
    assert world.work("1") == [("east", "released", 2, 0)]
    assert "address changed after release" in world.timeline("1")
    assert world.work("2") == [("east", "cancelled", 0, 0), ("west", "planned", 2, 0)]


def test_a_kit_short_of_a_part_goes_whole_from_elsewhere_or_waits(world: World) -> None:
    world.item("CUP", east=2, west=2)
    world.item("SPOON", east=1, west=0)
    world.kit("SET", {"CUP": 1, "SPOON": 1})
    shop = world.channel()
    world.take(shop, order("1", line(1, "SET", 2)))
    assert world.counts("1") == {"ordered": 2, "reserved": 1, "backordered": 1, "allocated": 1}
    world.receive("SPOON", "west", 1)
    assert world.refill(shop) == 1
    assert [place for place, _, _, _ in world.work("1")] == ["east", "west"]
    assert all(units == 1 for _, _, units, _ in world.work("1"))


def test_a_closed_location_is_asked_for_nothing_and_its_planned_work_moves(world: World) -> None:
    from core.sync.refit import refit

    world.item("A", east=5, west=5)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 2)))
    at(world, east={"active": False})
    shop = world.channel()
    refit(world.store, world.later())
    world.refill(shop)
    assert chosen(world, "1") == ["west"]
    world.take(shop, order("2", line(1, "A")))
    assert chosen(world, "2") == ["west"]


def test_the_same_orders_find_the_same_locations_every_time(world: World) -> None:
    world.item("A", east=9, west=9)
    at(world, east={"priority": 1}, west={"priority": 1})
    shop = world.channel()
    world.take(shop, *(order(str(n), line(1, "A"), ship_to=None) for n in range(3)))
    assert [chosen(world, str(n)) for n in range(3)] == [["east"]] * 3, "ties go by name"


def test_a_split_asks_for_what_is_promised_and_leaves_alone_what_is_backordered(world: World) -> None:
    """Free at a location is more than is promised here: a held order has its promise without a location."""
    world.item("A", east=2, west=1)
    shop = world.channel()
    world.take(shop, order("held", line(1, "A", 1), holds=(Hold.FRAUD,)))
    world.take(shop, order("1", line(1, "A", 3)))
    assert world.counts("1") == {"ordered": 3, "reserved": 2, "allocated": 2, "backordered": 1}
    assert sum(asked for _, _, asked, _ in world.work("1")) == 2
    world.receive("A", "west", 1)
    world.refill(shop)
    assert world.counts("1") == {"ordered": 3, "reserved": 3, "allocated": 3}
    assert sum(asked for _, _, asked, _ in world.work("1")) == 3
    world.lift("held", Hold.FRAUD)
    world.refill(shop)
    assert world.counts("held") == {"ordered": 1, "reserved": 1, "allocated": 1}


def test_two_units_one_at_each_location_are_one_order_and_two_fulfilment_orders(world: World) -> None:
    world.item("A", east=1, west=1)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 2), line(2, "A", 1)))
    assert sorted(world.work("1")) == [("east", "planned", 1, 0), ("west", "planned", 1, 0)]
    assert world.counts("1", 1) == {"ordered": 2, "reserved": 2, "allocated": 2}
    assert world.counts("1", 2) == {"ordered": 1, "backordered": 1}
    found = decision(world, "1")
    assert found["rule"] == "the fewest parcels"
