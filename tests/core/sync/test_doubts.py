"""Units that a warehouse counted no more: in doubt until somebody tells of them, or until nobody asks for them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from core.errors import UserError
from core.model import CancelReason
from core.sync import missing, stock
from core.sync.cancel import Decision, cancel
from core.sync.channel import Channel
from core.sync.ship import Departure, ship
from core.sync.void import Void, void
from tests.core.sync.depot import Depot
from tests.core.sync.issues.seen import of, seen
from tests.core.sync.world import World, line, order

DAY = 86_400


def asked(world: World, shop: Channel, depot: Depot, units: int) -> None:
    """An order of so many, handed over."""
    world.take(shop, order("1", line(1, "TEE", units)))
    world.release(shop)
    depot.ok()


def counted(depot: Depot, units: int, seconds: float = 0) -> None:
    depot.yard.count("E", {"TEE": units}, as_of=depot.at(seconds))
    depot.ok()


def in_doubt(world: World) -> int:
    return int(world.value("SELECT sum(doubted) FROM counted"))


def test_a_count_by_hand_settles_what_is_in_doubt(world: World, shop: Channel, depot: Depot) -> None:
    asked(world, shop, depot, 4)
    counted(depot, 2)
    world.later(2 * DAY)
    assert (world.stock("TEE"), in_doubt(world)) == ((4, 4), 2)
    (issue,) = of(seen(world, shop), "shelf_in_doubt")
    assert issue.commands[-1].startswith("ordersync stock count TEE east")
    stock.count(world.store, "TEE", "east", 4, world.now)
    assert of(seen(world, shop), "shelf_in_doubt") == []
    assert in_doubt(world) == 0


def test_what_is_missed_by_hand_is_what_was_in_doubt(world: World, shop: Channel, depot: Depot) -> None:
    asked(world, shop, depot, 4)
    counted(depot, 1)
    stock.adjust(world.store, "MUG", "east", -2, world.now)
    stock.adjust(world.store, "TEE", "east", 1, world.now)
    assert in_doubt(world) == 3
    for _ in range(2):
        stock.adjust(world.store, "TEE", "east", -2, world.now, reference="broken")
    assert (world.stock("TEE"), in_doubt(world)) == ((3, 3), 1)


def test_a_parcel_booked_by_hand_that_left_before_a_count_is_in_it(world: World, shop: Channel, depot: Depot) -> None:
    """As one that the warehouse tells of; and void it stood there all the time."""
    asked(world, shop, depot, 2)
    left = world.now
    world.later(3600)
    counted(depot, 8)
    ship(world.store, Departure(world.order("1").id, "east", "UPS", "T1", shipped_at=left), world.now)
    assert (world.stock("TEE"), world.at("TEE")) == ((8, 0), {"east": (8, 0)})
    counted(depot, 9, seconds=-30)
    assert world.stock("TEE") == (9, 0), "it was no count by hand"
    void(world.store, Void(world.order("1").id, "T1", "bought twice"), world.now)
    assert world.stock("TEE") == (9, 2)


def test_a_parcel_booked_by_hand_is_what_was_in_doubt(world: World, shop: Channel, depot: Depot) -> None:
    asked(world, shop, depot, 4)
    left = world.now
    counted(depot, 1, seconds=60)
    assert (world.stock("TEE"), in_doubt(world)) == ((4, 4), 3)
    ship(world.store, Departure(world.order("1").id, "east", "UPS", "T1", left, {"TEE": 3}), world.now)
    assert (world.stock("TEE"), in_doubt(world)) == ((1, 1), 0)


def called_off(world: World, depot: Depot) -> None:
    cancel(world.store, Decision(world.order("1").id, CancelReason.OTHER, units={"1": 2}), world.now)


def picked_short(world: World, depot: Depot) -> None:
    depot.yard.decline("OS-1", {depot.number(): 2}, short=True)


@pytest.mark.parametrize("how", [called_off, picked_short])
def test_what_is_asked_for_no_more_and_was_counted_no_more_is_not_there(
    world: World, shop: Channel, depot: Depot, how: Callable[[World, Depot], None]
) -> None:
    asked(world, shop, depot, 4)
    counted(depot, 2)
    assert (world.stock("TEE"), in_doubt(world)) == ((4, 4), 2)
    between = depot.at(30)
    how(world, depot)
    depot.ok()
    assert (world.stock("TEE"), in_doubt(world)) == ((2, 2), 0)
    depot.yard.count("E", {"TEE": 3}, as_of=between)
    depot.ok()
    assert world.stock("TEE") == (3, 2), "it was no movement of its own, and no count by hand"
    depot.send()
    depot.ok()
    assert world.stock("TEE") == (1, 0)


def test_what_is_asked_for_stays_in_doubt(world: World, shop: Channel, depot: Depot) -> None:
    asked(world, shop, depot, 4)
    counted(depot, 1)
    called_off(world, depot)
    depot.ok()
    assert (world.stock("TEE"), in_doubt(world)) == ((2, 2), 1)
    depot.ok()
    assert (world.stock("TEE"), in_doubt(world)) == ((2, 2), 1)
    depot.send(seconds=-DAY)
    depot.ok()
    assert (world.stock("TEE"), in_doubt(world)) == ((1, 0), 0)


def test_a_shelf_that_cannot_be_settled_keeps_no_other_work_waiting(
    world: World, shop: Channel, depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: object, **more: object) -> None:
        raise UserError("more is promised than the orders hold")

    asked(world, shop, depot, 4)
    counted(depot, 2)
    called_off(world, depot)
    monkeypatch.setattr(missing, "book_within", refuse)
    world.take(shop, order("2", line(1, "MUG")))
    world.release(shop)
    assert depot.ok().handed_over == 1
    assert in_doubt(world) == 2
    monkeypatch.undo()
    depot.ok()
    assert (world.stock("TEE"), in_doubt(world)) == ((2, 2), 0)
