from __future__ import annotations

from typing import Any

import pytest

from core.model import Address, Fulfiller, Hold
from core.sync import addresses
from core.sync.addresses import judge_addresses
from core.sync.channel import Channel
from core.sync.holds import lift
from core.sync.round import run_round
from tests.core.sync.world import NEW_YORK, World, connector, edited, line, order, page

WRONG = Address(name="Ada", line1="1 Main St", city="New York", region="NY", postal_code="94601", country="US")


@pytest.fixture
def shop(world: World) -> Channel:
    world.item("A", east=9)
    return world.channel()


def bad(number: str = "1", **more: Any) -> Any:
    return order(number, line(1, "A"), **({"ship_to": WRONG} | more))


def judge(world: World, shop: Channel) -> int:
    return judge_addresses(world.store, shop, world.later())


def test_an_order_whose_address_cannot_be_right_is_never_released(world: World, shop: Channel) -> None:
    connector(shop).pulls = [[page(bad("1"), order("2", line(1, "A")))]]
    own = {"shop": shop.settings}
    done = run_round(world.store, shop, own, world.clock)
    assert (done.held, done.released) == (1, 1)
    row = world.row('SELECT hold, "by", why FROM holds')
    assert tuple(row) == ("address", "ordersync", "cannot be right: postal code")
    assert world.work("1") == [("east", "planned", 1, 0)]
    assert world.timeline("1") == ["held"]
    assert run_round(world.store, shop, own, world.clock).held == 0


def test_another_address_that_may_be_right_lifts_the_hold(world: World, shop: Channel) -> None:
    world.take(shop, bad())
    assert judge(world, shop) == 1
    world.take(shop, edited(bad(), ship_to=NEW_YORK))
    assert (judge(world, shop), world.holds("1")) == (0, set())
    assert world.timeline("1")[-1] == "hold lifted"


def test_another_wrong_address_is_told_anew(world: World, shop: Channel) -> None:
    world.take(shop, bad())
    judge(world, shop)
    other = Address(name="Ada", line1="1 Main St", city="New York", region="QQ", country="US")
    world.take(shop, edited(bad(), ship_to=other))
    assert judge(world, shop) == 1
    assert world.value("SELECT why FROM holds") == "cannot be right: region, no postal code"


def test_an_operator_who_knows_better_is_not_asked_again_for_the_same_address(world: World, shop: Channel) -> None:
    world.take(shop, bad())
    judge(world, shop)
    lift(world.store, world.order("1").id, Hold.ADDRESS, world.now)
    world.take(shop, edited(bad(), service="fast"))
    assert (judge(world, shop), world.holds("1")) == (0, set())
    assert world.rows("SELECT * FROM overrides") == []
    world.take(shop, edited(bad(), version=3, ship_to=NEW_YORK))
    world.take(shop, edited(bad(), version=4, ship_to=Address(name="Ada", country="US")))
    assert judge(world, shop) == 1


def test_an_address_is_never_rewritten_and_never_told(world: World, shop: Channel) -> None:
    world.take(shop, bad())
    judge(world, shop)
    assert world.value("SELECT postal_code FROM buyers") == "94601"
    told = str([tuple(row) for row in (*world.rows("SELECT * FROM audit"), *world.rows("SELECT * FROM holds"))])
    assert not any(word in told for word in ("94601", "Main", "Ada", "New York"))


def test_what_is_picked_shipped_or_not_ours_is_left_alone(world: World, shop: Channel) -> None:
    world.take(shop, bad("picked"))
    world.release(shop)
    world.take(shop, bad("theirs", fulfiller=Fulfiller.CHANNEL), bad("test", test=True))
    world.take(shop, bad("gone", lines=(line(1, "A", 1, cancelled=1),)))
    assert judge(world, shop) == 0


def test_a_channel_that_wants_none_judged_gets_its_orders_back(world: World, shop: Channel) -> None:
    world.take(shop, bad())
    judge(world, shop)
    off = world.channel(check_addresses=False)
    assert (judge(world, off), world.holds("1")) == (0, set())
    world.take(off, bad("2"))
    assert judge(world, off) == 0
    on = world.channel()
    assert judge(world, on) == 1
    assert world.holds("2") == {"address"}


def test_a_hold_of_the_channel_for_want_of_an_address_stays_its_own(world: World, shop: Channel) -> None:
    world.take(shop, bad(holds=(Hold.ADDRESS,)))
    assert judge(world, shop) == 0
    assert tuple(world.row('SELECT "by", why FROM holds')) == ("channel", "")
    world.take(shop, edited(bad()))
    assert world.holds("1") == set()
    assert judge(world, shop) == 1


def test_each_channel_looks_at_its_own_and_at_nothing_twice(
    world: World, shop: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = world.channel("other")
    looked: list[str] = []
    faults = addresses.faults
    monkeypatch.setattr(addresses, "faults", lambda one: looked.append(one.postal_code) or faults(one))
    monkeypatch.setattr(addresses, "BATCH", 2)
    world.take(shop, *(bad(str(number)) for number in range(5)))
    world.take(other, bad("9"))
    assert [judge(world, shop), judge(world, shop), judge(world, other)] == [5, 0, 1]
    assert len(looked) == 6
    assert judge(world, other) == 0
    assert len(looked) == 6


def test_a_channel_that_is_new_looks_at_no_documents_of_others(world: World, shop: Channel) -> None:
    world.take(shop, bad())
    world.channel("new")
    assert world.value("SELECT judged_to FROM channels WHERE name = 'new'") == world.value(
        "SELECT MAX(id) FROM documents"
    )


def test_documents_of_others_are_passed_over_in_the_end(
    world: World, shop: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "IDLE", 3)
    other = world.channel("other")
    world.take(shop, *(order(str(number), line(1, "A")) for number in range(2)))
    judge(world, other)
    assert world.value("SELECT judged_to FROM channels WHERE name = 'other'") == 0
    world.take(shop, order("9", line(1, "A")))
    judge(world, other)
    assert world.value("SELECT judged_to FROM channels WHERE name = 'other'") == 3
