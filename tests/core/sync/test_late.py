"""Cancellations that came after the parcel: nothing is put back, and the exception stands until somebody decides."""

from __future__ import annotations

import pytest

from core.errors import UserError
from core.model import CancelReason
from core.sync.cancel import Decision, cancel
from core.sync.channel import Channel
from core.sync.late import Keep, keep
from tests.core.sync.world import World, edited, line, order


@pytest.fixture
def shop(world: World) -> Channel:
    world.item("A", east=5)
    return world.channel()


def undecided(world: World, of: str | int = 1) -> int:
    row = world.line("1", of)
    return max(0, int(row.late - row.returned - row.late_kept))


def leave(world: World, why: str = "the buyer keeps it", **units: int) -> dict[str, int]:
    return keep(world.store, Keep(order_id=world.order("1").id, why=why, units=units or None), world.now)


@pytest.mark.parametrize(
    ("shipped", "cancelled", "late"), [(2, 2, 2), (2, 1, 1), (1, 2, 1), (1, 1, 0), (0, 2, 0)], ids=str
)
def test_units_cancelled_after_they_left_are_counted(
    world: World, shop: Channel, shipped: int, cancelled: int, late: int
) -> None:
    first = order("1", line(1, "A", 2))
    world.take(shop, first)
    if shipped:
        world.ship("1", A=shipped)
    for version in (2, 3):  # and told again, it is the same
        world.take(shop, edited(first, version=version, lines=(line(1, "A", 2, cancelled=cancelled),)))
        assert undecided(world) == late
    assert world.stock("A") == (5 - shipped, 2 - cancelled - shipped + late)
    assert world.counts("1")["cancelled" if cancelled > late else "shipped"] == (
        cancelled - late if cancelled > late else shipped
    )


def test_a_line_taken_away_or_made_smaller_after_it_left_is_late_too(world: World, shop: Channel) -> None:
    first = order("1", line(1, "A", 2), line(2, "A", 1))
    world.take(shop, first)
    world.ship("1")
    world.take(shop, edited(first, lines=(line(1, "A", 1),)))
    assert (undecided(world, 1), undecided(world, 2)) == (1, 1)


def test_a_cancellation_the_channel_takes_back_is_none(world: World, shop: Channel) -> None:
    first = order("1", line(1, "A", 2))
    world.take(shop, first)
    world.ship("1")
    world.take(shop, edited(first, lines=(line(1, "A", 2, cancelled=2),)))
    world.take(shop, edited(first, version=3))
    assert undecided(world) == 0
    assert world.counts("1") == {"ordered": 2, "shipped": 2}


def test_leaving_them_is_a_decision_on_the_timeline_and_moves_nothing(world: World, shop: Channel) -> None:
    first = order("1", line(1, "A", 3))
    world.take(shop, first)
    world.ship("1")
    told = edited(first, lines=(line(1, "A", 3, cancelled=3),))
    world.take(shop, told)
    assert leave(world, A=1) == {"1": 1}
    assert undecided(world) == 2
    with pytest.raises(UserError, match="3 of A: 2 units of it in order #1"):
        leave(world, A=3)
    with pytest.raises(UserError, match="--why"):
        leave(world, why="")
    assert leave(world) == {"1": 2}
    assert undecided(world) == 0
    with pytest.raises(UserError, match="waits for a decision"):
        leave(world)
    world.take(shop, edited(told, version=3))
    assert undecided(world) == 0
    assert world.stock("A") == (2, 0)
    assert world.timeline("1").count("left with the buyer") == 2
    assert world.rows("SELECT kind FROM pushes") == [("tracking",)]


def test_what_was_cancelled_here_and_confirmed_is_not_late(world: World, shop: Channel) -> None:
    first = order("1", line(1, "A", 3))
    world.take(shop, first)
    world.ship("1", A=1)
    cancel(world.store, Decision(order_id=world.order("1").id, reason=CancelReason.BUYER), world.now)
    world.take(shop, edited(first, lines=(line(1, "A", 3, cancelled=2),)))
    assert undecided(world) == 0
    world.take(shop, edited(first, version=3, lines=(line(1, "A", 3, cancelled=3),)))
    assert undecided(world) == 1
