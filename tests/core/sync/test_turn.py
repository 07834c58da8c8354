from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from core.connector import Connector
from core.errors import StoreError, Unauthorized, Unavailable
from core.settings import ChannelSettings, DaemonSettings, LocationSettings, LogSettings, RoutingSettings, Settings
from core.settings import StoreSettings as Stored
from core.sync.pull import Stopped
from core.sync.round import Outcome
from core.sync.turn import Trouble, turn
from core.sync.work import SECOND, poke
from tests.core.sync.fake import Fake
from tests.core.sync.world import World, order, page

OWN = ChannelSettings(connector="fake", locations={"east": ""}, poll_seconds=15)
SETTINGS = Settings(
    folder=Path("/nowhere"),
    store=Stored(),
    daemon=DaemonSettings(parked_retry_seconds=300),
    log=LogSettings(),
    locations=(LocationSettings(name="east"),),
    routing=RoutingSettings(),
    channels={"shop": OWN, "other": OWN},
)


def take_turn(world: World, fake: Fake, *pulls: Any, name: str = "shop", **more: Any) -> Outcome | Trouble:
    world.later()
    fake.pulls = [list(pulls)]
    return turn(world.store, SETTINGS, name, now=world.clock, connector=cast(Connector, fake), **more)


def health(world: World, name: str = "shop") -> tuple[str, int, bool]:
    row = world.channel_row(name)
    return row.health, row.fails, row.outage_since is not None


def waits(world: World, name: str = "shop") -> float:
    return float(world.channel_row(name).next_due - world.now) / SECOND


def test_a_turn_that_goes_well_says_when_the_next_is_due(world: World) -> None:
    outcome = take_turn(world, Fake(), page(order("1")))
    assert isinstance(outcome, Outcome)
    assert outcome.orders.stored == 1
    assert health(world) == ("ok", 0, False)
    assert waits(world) == 15
    assert world.channel_row().last_success == world.now


def test_an_outage_is_told_once_when_it_begins_and_once_when_it_ends(small_world: World) -> None:
    fake = Fake()
    with capture_logs() as lines:
        for _ in range(3):
            trouble = take_turn(small_world, fake, Unavailable("down"))
            assert isinstance(trouble, Trouble)
            assert not trouble.parked
    assert [line["event"] for line in lines] == ["channel does not answer"]
    assert health(small_world) == ("unavailable", 3, True)
    with capture_logs() as lines:
        take_turn(small_world, fake)
        take_turn(small_world, fake)
    assert [line["event"] for line in lines] == ["channel works again"]
    assert health(small_world) == ("ok", 0, False)


def test_an_outage_is_tried_again_later_and_later_and_no_sooner_than_asked(small_world: World) -> None:
    fake = Fake()
    tries = []
    for _ in range(12):
        take_turn(small_world, fake, Unavailable("down"))
        tries.append(waits(small_world))
    assert 0.5 <= tries[0] <= 1
    assert 150 <= tries[-1] <= 300
    take_turn(small_world, fake, Unavailable("busy", after=1000))
    assert waits(small_world) == 1000


def test_refused_credentials_park_the_channel_and_say_what_to_do(small_world: World) -> None:
    fake = Fake()
    with capture_logs() as lines:
        trouble = take_turn(small_world, fake, Unauthorized("renew the token"))
        take_turn(small_world, fake, Unauthorized("renew the token"))
    assert isinstance(trouble, Trouble)
    assert (trouble.parked, trouble.reason) == (True, "renew the token")
    assert [(line["event"], line["log_level"]) for line in lines] == [("channel is parked", "error")]
    assert not lines[0].get("exc_info")
    assert health(small_world) == ("parked", 2, True)
    assert waits(small_world) == 300
    take_turn(small_world, fake)
    assert health(small_world) == ("ok", 0, False)


def test_an_outage_that_becomes_a_persons_to_mend_is_told(small_world: World) -> None:
    fake = Fake()
    with capture_logs() as lines:
        take_turn(small_world, fake, Unavailable("down"))
        take_turn(small_world, fake, Unauthorized("renew the token"))
    assert [line["event"] for line in lines] == ["channel does not answer", "channel is parked"]


def test_a_bug_parks_its_channel_alone_and_is_told_with_its_trace(world: World) -> None:
    with capture_logs() as lines:
        trouble = take_turn(world, Fake(), ZeroDivisionError("a \0 bug"))
        take_turn(world, Fake(), ZeroDivisionError("a \0 bug"))
    assert isinstance(trouble, Trouble)
    assert trouble.parked
    assert [line["event"] for line in lines] == ["channel is parked"]
    assert lines[0]["exc_info"]
    assert "ZeroDivisionError: a \ufffd bug" in world.channel_row().reason
    assert isinstance(take_turn(world, Fake(), page(order("1")), name="other"), Outcome)
    assert health(world, "other") == ("ok", 0, False)


def test_another_bug_is_told_as_well(small_world: World) -> None:
    with capture_logs() as lines:
        take_turn(small_world, Fake(), ZeroDivisionError("one"))
        take_turn(small_world, Fake(), ValueError("two"))
    assert [line["event"] for line in lines] == ["channel is parked"] * 2


def test_what_a_turn_did_before_its_trouble_is_kept(small_world: World) -> None:
    take_turn(small_world, Fake(), page(order("1"), cursor="c1"), Unavailable("down"))
    assert small_world.channel_row().cursor == "c1"
    assert small_world.order("1").number == "1"


def test_a_turn_overtaken_by_another_process_books_nothing(world: World) -> None:
    fake = Fake()
    fake.pages = lambda cursor, since=None: overtaken(world, fake)  # type: ignore[method-assign, misc]
    trouble = take_turn(world, fake)
    assert trouble == Trouble("shop", "another process has taken this channel over", parked=False)
    assert health(world) == ("ok", 0, False)
    assert world.rows("SELECT * FROM orders") == []


def overtaken(world: World, fake: Fake) -> Any:
    world.channel(fake=fake)
    yield page(order("1"))


def test_trouble_of_a_turn_overtaken_meanwhile_is_not_the_channels(small_world: World) -> None:
    def overtaken_and_down(cursor: Any, since: Any = None) -> Any:
        small_world.channel(fake=fake)
        raise Unavailable("down")
        yield

    fake = Fake()
    fake.pages = overtaken_and_down  # type: ignore[method-assign]
    trouble = take_turn(small_world, fake)
    assert isinstance(trouble, Trouble)
    assert health(small_world) == ("ok", 0, False)


def test_a_poke_during_a_turn_is_not_lost(world: World) -> None:
    def poked(cursor: Any, since: Any = None) -> Any:
        poke(world.store, [world.channel_row().id])
        yield page(order("1"))

    fake = Fake()
    fake.pages = poked  # type: ignore[method-assign]
    take_turn(world, fake)
    row = world.channel_row()
    assert row.wanted == row.done + 1
    take_turn(world, Fake())
    row = world.channel_row()
    assert row.wanted == row.done


def test_a_stop_is_no_trouble(small_world: World) -> None:
    with pytest.raises(Stopped):
        take_turn(small_world, Fake(), page(order("1"), cursor="c1"), page(order("2")), stopping=lambda: True)
    assert health(small_world) == ("ok", 0, False)
    assert small_world.channel_row().cursor == "c1"


def test_a_store_that_cannot_be_used_is_not_the_channels_trouble(small_world: World) -> None:
    with pytest.raises(StoreError):
        take_turn(
            small_world, Fake(), StoreError("the store cannot be used: database or disk is full; free some space")
        )
    assert health(small_world) == ("ok", 0, False)


def test_a_connector_handed_in_is_left_open_and_one_opened_here_is_closed(
    small_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed = Fake()
    take_turn(small_world, handed)
    assert not handed.closed
    opened = Fake(pulls=[[ZeroDivisionError()]])
    monkeypatch.setattr("core.sync.connect.find", lambda name: lambda account, own, keeper: opened)
    turn(small_world.store, SETTINGS, "shop", now=small_world.clock)
    assert opened.closed
