"""Turns that hints bring about: what they pull, and when the next one is."""

from __future__ import annotations

from typing import Any, cast

import pytest

from core.connector import Connector
from core.errors import Unauthorized
from core.sync.ask import ask_turn
from core.sync.channel import Channel
from core.sync.turn import turn
from core.sync.work import finished
from tests.core.sync.fake import Fake, body
from tests.core.sync.test_hints import COMPARES, of, say, shop, take_turn
from tests.core.sync.test_turn import SETTINGS
from tests.core.sync.world import SECOND, World, line, order, page

__all__ = ["shop"]


def test_a_turn_for_a_hint_spends_no_pull_of_a_channel_that_has_few(small_world: World) -> None:
    fake = Fake(pulls=[[page()]])
    dear = SETTINGS.channels["shop"].model_copy(update={"poll_seconds": 180})
    settings = SETTINGS.__class__(**{**vars(SETTINGS), "channels": {"shop": dear}})

    def one() -> None:
        small_world.later(5)
        turn(small_world.store, settings, "shop", now=small_world.clock, connector=cast(Connector, fake))

    one()
    fake.calls.clear()
    due = small_world.channel_row().next_due
    fake.orders["1"] = body(order("1", line(1, "A")))
    say(small_world, of("1"))
    one()
    assert "fetch" in fake.calls
    assert "pages" not in fake.calls
    assert small_world.channel_row().next_due == due


def test_a_turn_for_a_hint_at_a_channel_that_compares_pulls_by_the_clock_only(small_world: World) -> None:
    fake = Fake(abilities=COMPARES)
    take_turn(small_world, fake)
    fake.calls.clear()
    small_world.later(-55)  # five seconds after the last: not the clock's time yet
    turn(small_world.store, SETTINGS, "shop", now=small_world.clock, connector=cast(Connector, fake))
    assert "pages" not in fake.calls


def test_a_turn_asked_for_during_another_pulls_once_more(small_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake(abilities=COMPARES)
    take_turn(small_world, fake)
    shop = small_world.channel_row().id

    def one() -> None:
        small_world.later(1)
        turn(small_world.store, SETTINGS, "shop", now=small_world.clock, connector=cast(Connector, fake))

    def meanwhile(cursor: str | None, *, since: Any = None) -> Any:
        ask_turn(small_world.store, shop)
        return iter([])

    ask_turn(small_world.store, shop)
    with monkeypatch.context() as during:
        during.setattr(fake, "pages", meanwhile)
        one()
    fake.calls.clear()
    one()
    assert "pages" in fake.calls
    fake.calls.clear()
    one()
    assert "pages" not in fake.calls


def test_a_channel_that_is_not_well_is_asked_before_it_is_called_well(small_world: World) -> None:
    fake = Fake(abilities=COMPARES, pulls=[[page()], [Unauthorized("no")], [Unauthorized("no")]])
    take_turn(small_world, fake)
    take_turn(small_world, fake)
    small_world.later(1)
    turn(small_world.store, SETTINGS, "shop", now=small_world.clock, connector=cast(Connector, fake))
    assert small_world.channel_row().health == "parked"


@pytest.mark.parametrize(("state", "wakes"), [("accepted", True), ("queued", False)])
def test_what_fell_due_for_settling_during_a_turn_is_the_next_ones(
    world: World, shop: Channel, state: str, wakes: bool
) -> None:
    began, due = world.now, world.now + SECOND
    world.store.transact(lambda tx: tx.run("UPDATE levels SET state = :state, due_at = :due", state=state, due=due))
    world.later(60)
    row = world.channel_row()
    world.store.transact(lambda tx: finished(tx, shop.id, shop.epoch, row, world.now + 10**12, world.now, began=began))
    assert world.channel_row().wake_at == (due if wakes else None)
