"""Acknowledgements near their deadline: told before it is over, once, and also while the channel is down."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from core.connector import Connector
from core.errors import Unavailable
from core.model import Ack, AckState, instant
from core.sync.channel import Channel
from core.sync.deadlines import near, warn
from core.sync.push import push_acknowledgements
from core.sync.turn import Trouble, turn
from tests.core.sync.fake import Fake
from tests.core.sync.test_turn import SETTINGS
from tests.core.sync.world import START, World, connector, edited, line, order

HOUR = 3600


def waiting(number: str, hours: float, **more: Any) -> Any:
    by = instant(START) + timedelta(hours=hours)
    return order(number, line(1, "A"), acknowledged=False, acknowledge_by=by, **more)


@pytest.fixture
def shop(world: World) -> Channel:
    """Orders to be acknowledged within four hours and six; one at any time, one done."""
    world.item("A", east=9)
    shop = world.channel(acknowledge_alert_minutes=90)
    world.take(shop, waiting("1", 4), waiting("2", 6), order("3", line(1, "A"), acknowledged=False))
    world.take(shop, order("4", line(1, "A"), acknowledge_by=instant(START)))
    return shop


def warned(world: World, shop: Channel) -> list[Any]:
    with capture_logs() as logs:
        warn(world.store, shop, world.now)
    return logs


def soon(world: World, shop: Channel) -> Any:
    return near(world.store, {"shop": shop.settings.model_copy(update={"connector": "sandbox"})}, world.now).get("shop")


def test_nothing_is_told_while_there_is_time(world: World, shop: Channel) -> None:
    world.later(2 * HOUR)
    assert warned(world, shop) == []
    assert soon(world, shop) is None


def test_a_deadline_is_told_before_it_is_over_and_logged_once(world: World, shop: Channel) -> None:
    world.now = START
    world.later(2.5 * HOUR)
    (line,) = warned(world, shop)
    assert (line["log_level"], line["channel"], line["orders"], line["first"]) == ("warning", "shop", 1, "1")
    assert line["by"] == "2026-11-02T13:00:00+00:00"
    found = soon(world, shop)
    assert (found.orders, found.first, found.by) == (1, "1", START + 4 * HOUR * 1_000_000)
    world.later(60)
    assert warned(world, shop) == []
    assert soon(world, shop) is not None, "status says it as long as it is so"
    world.later(3 * HOUR)
    (line,) = warned(world, shop)
    assert (line["orders"], line["first"]) == (1, "2"), "the next one, and not the first again"
    assert soon(world, shop).orders == 2, "one is over, and still not done"


def test_what_is_acknowledged_is_not_told(world: World, shop: Channel) -> None:
    push_acknowledgements(world.store, shop, world.clock)
    world.later(5 * HOUR)
    assert warned(world, shop) == []
    assert soon(world, shop) is None


def test_what_the_channel_shows_as_acknowledged_is_not_told(world: World, shop: Channel) -> None:
    for number in "12":
        world.take(shop, edited(waiting(number, 4), acknowledged=True))
    world.later(5 * HOUR)
    assert soon(world, shop) is None


def test_a_refused_acknowledgement_is_told_by_status(world: World, shop: Channel) -> None:
    connector(shop).answer = lambda n: Ack(key=n, state=AckState.REFUSED, reason="the order is closed; look there")
    push_acknowledgements(world.store, shop, world.clock)
    push_acknowledgements(world.store, shop, world.clock)
    assert len(connector(shop).acknowledged) == 3, "closed there before it was acknowledged: it is over"
    assert {row.state for row in world.rows("SELECT state FROM pushes")} == {"refused"}
    world.later(3 * HOUR)
    assert soon(world, shop).orders == 1


@pytest.mark.parametrize("settings", [{"acknowledge": False}, {"mode": "shadow"}])
def test_a_channel_somebody_else_acknowledges_at_is_not_told(
    world: World, shop: Channel, settings: dict[str, Any]
) -> None:
    quiet = world.channel(**settings)
    world.later(5 * HOUR)
    assert warned(world, quiet) == []
    assert soon(world, quiet) is None


def test_a_deadline_is_logged_by_a_turn_that_fails(small_world: World) -> None:
    shop = small_world.channel(acknowledge_alert_minutes=90)
    small_world.take(shop, waiting("1", 4))
    small_world.later(3 * HOUR)
    down = Fake(pulls=[[Unavailable("down")]])

    def refuse(number: Any) -> Ack:
        raise Unavailable("down")

    down.answer = refuse
    settings = replace(SETTINGS, channels={"shop": shop.settings})
    with capture_logs() as logs:
        ended = turn(small_world.store, settings, "shop", now=small_world.clock, connector=cast(Connector, down))
    assert isinstance(ended, Trouble)
    assert [one["event"] for one in logs].count("acknowledgements are near their deadline") == 1
