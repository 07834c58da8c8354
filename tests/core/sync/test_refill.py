from __future__ import annotations

from core.model import Hold
from core.settings import RoutingSettings
from core.sync import refill as refilling
from tests.core.sync.world import START, World, edited, line, order


def test_backordered_units_resume_as_soon_as_stock_comes_oldest_order_first(world: World) -> None:
    world.item("A")
    shop = world.channel()
    world.take(shop, order("late", line(1, "A", 2), at=START + 9), order("early", line(1, "A", 2)))
    world.receive("A", "west", 3)
    assert world.refill(shop) == 2
    assert world.counts("early") == {"ordered": 2, "reserved": 2, "allocated": 2}
    assert world.counts("late") == {"ordered": 2, "reserved": 1, "backordered": 1, "allocated": 1}
    assert world.work("early") == [("west", "planned", 2, 0)]
    assert world.timeline("early") == ["resumed"]
    assert world.refill(shop) == 0


def test_a_kit_resumes_when_its_last_component_comes(world: World) -> None:
    world.item("CUP", east=4)
    world.item("SPOON")
    world.kit("SET", {"CUP": 2, "SPOON": 1})
    shop = world.channel()
    world.take(shop, order("1", line(1, "SET", 2)))
    assert world.refill(shop) == 0
    assert world.stock("CUP") == (4, 0)
    world.receive("SPOON", "east", 1)
    assert world.refill(shop) == 1
    assert world.counts("1") == {"ordered": 2, "reserved": 1, "backordered": 1, "allocated": 1}
    assert world.stock("CUP") == (4, 2)


def test_a_held_line_resumes_once_its_item_is_created(world: World) -> None:
    world.item("A", east=1)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A"), line(2, "NEW", 2)))
    assert world.refill(shop) == 0
    world.item("NEW", east=5)
    assert world.refill(shop) == 1
    assert world.counts("1", 2) == {"ordered": 2, "reserved": 2, "allocated": 2}
    assert world.refill(shop) == 0


def test_a_held_line_resumes_once_its_sku_is_mapped(world: World) -> None:
    world.item("A", east=5)
    shop = world.channel(match="mapped")
    world.take(shop, order("1", line(1, "THEIRS", 2)))
    world.offer(shop, "THEIRS")
    assert world.refill(shop) == 0
    with world.store.write() as tx:
        tx.run("UPDATE listings SET item_id = :item, mapped_by = 'operator'", item=world.items["A"])
    assert world.refill(shop) == 1
    assert world.counts("1") == {"ordered": 2, "reserved": 2, "allocated": 2}


def test_a_held_line_whose_item_has_no_stock_becomes_backordered(world: World) -> None:
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 2)))
    world.item("A")
    assert world.refill(shop) == 1
    assert world.counts("1") == {"ordered": 2, "backordered": 2}


def test_an_order_that_must_not_be_split_waits_for_a_location_that_holds_all(world: World) -> None:
    world.item("A", east=1, west=1)
    world.routing = RoutingSettings(split=False)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 2)))
    assert world.counts("1") == {"ordered": 2, "reserved": 2}
    world.receive("A", "west", 1)
    assert world.refill(shop) == 1
    assert world.work("1") == [("west", "planned", 2, 0)]


def test_a_held_order_gets_its_stock_but_no_location(world: World) -> None:
    world.item("A")
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 2), holds=(Hold.FRAUD,)))
    world.receive("A", "east", 5)
    assert world.refill(shop) == 1
    assert world.counts("1") == {"ordered": 2, "reserved": 2}
    assert world.refill(shop) == 0


def test_more_orders_than_one_batch_resume_in_one_go(world: World) -> None:
    world.item("A")
    shop = world.channel()
    count = refilling.BATCH + 3
    world.take(shop, *(order(str(number), line(1, "A"), at=START + number) for number in range(count)))
    world.receive("A", "east", count - 1)
    assert world.refill(shop) == count - 1
    assert world.counts(str(count - 1)) == {"ordered": 1, "backordered": 1}


def test_only_what_is_not_held_is_released_and_only_once(world: World) -> None:
    world.item("A", east=9)
    shop = world.channel()
    one = order("1", line(1, "A"))
    world.take(shop, one, order("2", line(1, "A")))
    world.take(shop, edited(one, holds=(Hold.PAYMENT,)))
    assert world.release(shop) == 1
    assert world.work("1") == [("east", "planned", 1, 0)]
    assert world.work("2") == [("east", "released", 1, 0)]
    assert world.release(shop) == 0
    world.take(shop, edited(one, version=3))
    assert world.release(shop) == 1


def test_another_channels_work_is_not_released(world: World) -> None:
    world.item("A", east=9)
    shop, other = world.channel("shop"), world.channel("other")
    world.take(shop, order("1", line(1, "A")))
    assert world.release(other) == 0
    assert world.release(shop) == 1
