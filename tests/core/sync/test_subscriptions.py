"""Subscriptions: seen to every hour, told, and never the channel's trouble."""

from __future__ import annotations

from typing import cast

import pytest
from structlog.testing import capture_logs

from core.connector import Ability
from core.errors import Unauthorized, Unavailable
from core.model import Subscribed
from core.sync.channel import Channel
from core.sync.subscribe import AUDIT_SECONDS, RETRY_SECONDS
from tests.core.sync.fake import SIMPLE, Fake
from tests.core.sync.test_hints import hearing, run
from tests.core.sync.world import World, connector


class Telling(Fake):
    """A channel that can be subscribed to."""

    found: Subscribed = Subscribed()
    lacks = ""
    fails: Exception | None = None

    def deaf(self) -> str:
        return self.lacks

    def subscriptions(self, address: str) -> Subscribed:
        self._called(f"subscriptions {address}")
        if self.fails:
            raise self.fails
        return self.found


ADDRESS = "https://hooks.example.test/hooks/shop"


@pytest.fixture
def telling(small_world: World) -> Channel:
    return small_world.channel(fake=Telling(abilities=SIMPLE | {Ability.HINTS}))


def asked(shop: Channel) -> int:
    count = sum(call.startswith("subscriptions") for call in connector(shop).calls)
    connector(shop).calls.clear()
    return count


def test_subscriptions_are_seen_to_every_hour_and_what_was_done_is_told(small_world: World, telling: Channel) -> None:
    fake = cast(Telling, connector(telling))
    fake.found = Subscribed(done=("subscribed to orders",))
    with capture_logs() as lines:
        run(small_world, telling, address=ADDRESS)
    assert [one["done"] for one in lines if one["event"] == "subscription"] == ["subscribed to orders"]
    assert small_world.value("SELECT detail FROM audit WHERE event = 'subscription'") == "subscribed to orders"
    assert asked(telling) == 1
    run(small_world, telling, address=ADDRESS)
    assert asked(telling) == 0
    small_world.later(AUDIT_SECONDS)
    run(small_world, telling, address=ADDRESS)
    assert asked(telling) == 1


def test_another_address_is_seen_to_at_once(small_world: World, telling: Channel) -> None:
    run(small_world, telling, address=ADDRESS)
    run(small_world, telling, address="https://new.example.test/hooks/shop")
    assert asked(telling) == 2


def test_without_an_address_nobody_is_subscribed(small_world: World, telling: Channel) -> None:
    run(small_world, telling)
    assert asked(telling) == 0


def test_a_channel_in_shadow_is_subscribed_to_nothing(small_world: World) -> None:
    shop = small_world.channel(fake=Telling(abilities=SIMPLE | {Ability.HINTS}), mode="shadow")
    run(small_world, shop, address=ADDRESS)
    assert asked(shop) == 0


@pytest.mark.parametrize("error", [Unauthorized("a scope is missing; grant it"), Unavailable("down")])
def test_trouble_with_subscriptions_is_noted_and_is_not_the_channels(
    small_world: World, telling: Channel, error: Exception
) -> None:
    fake = cast(Telling, connector(telling))
    fake.fails = error
    with capture_logs() as lines:
        run(small_world, telling, address=ADDRESS)
    assert [one["reason"] for one in lines if one["log_level"] == "warning"] == [str(error)]
    assert hearing(small_world).audit_trouble == str(error)
    small_world.later(RETRY_SECONDS)
    fake.fails = None
    asked(telling)
    run(small_world, telling, address=ADDRESS)
    assert asked(telling) == 1
    assert hearing(small_world).audit_trouble == ""


def test_what_an_account_lacks_to_be_told_is_noted(small_world: World, telling: Channel) -> None:
    cast(Telling, connector(telling)).lacks = "webhook_secret is not set; set it"
    run(small_world, telling, address=ADDRESS)
    assert asked(telling) == 0
    assert hearing(small_world).audit_trouble == "webhook_secret is not set; set it"


def test_what_the_channel_will_not_tell_is_noted_beside_what_was_done(small_world: World, telling: Channel) -> None:
    fake = cast(Telling, connector(telling))
    fake.found = Subscribed(done=("subscribed to orders",), refused=("returns: no scope; grant it",))
    run(small_world, telling, address=ADDRESS)
    assert hearing(small_world).audit_trouble == "returns: no scope; grant it"
    asked(telling)
    small_world.later(RETRY_SECONDS)
    run(small_world, telling, address=ADDRESS)
    assert asked(telling) == 0  # it answered: the next look is in an hour


def test_without_an_address_there_is_no_trouble_with_subscriptions(small_world: World, telling: Channel) -> None:
    cast(Telling, connector(telling)).lacks = "webhook_secret is not set; set it"
    run(small_world, telling, address=ADDRESS)
    run(small_world, telling)
    assert hearing(small_world).audit_trouble == ""
    cast(Telling, connector(telling)).lacks = ""
    run(small_world, telling, address=ADDRESS)
    assert asked(telling) == 1
