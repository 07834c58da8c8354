"""An outage longer than the channel looks back is told once, with what cannot be recovered."""

from __future__ import annotations

from datetime import timedelta

from structlog.testing import capture_logs

from core.sync.channel import Channel
from core.sync.evidence import last
from core.sync.pull import pull
from tests.core.sync.fake import Fake
from tests.core.sync.world import World, connector, page

DAY = 24 * 3600


def worked(world: World) -> Channel:
    """A channel that shows sixty days, pulled just now."""
    shop = world.channel(fake=Fake(look_back=timedelta(days=60), pulls=[[page()]]))
    pull(world.store, shop, world.clock)
    with world.store.write() as tx:  # as a turn books it
        tx.run("UPDATE channels SET last_success = :now WHERE id = :id", now=world.now, id=shop.id)
    return shop


def test_what_an_outage_too_long_has_lost_is_told_once_and_kept(world: World) -> None:
    shop = worked(world)
    began = world.now
    world.later(75 * DAY)
    with capture_logs() as logs:
        for _ in range(2):
            connector(shop).pulls = [[page()]]
            pull(world.store, shop, world.clock)
    (told,) = [entry for entry in logs if entry["log_level"] == "error"]
    assert told["event"] == "orders may be missing"
    kept = last(world.store, shop.id)
    assert kept is not None
    assert (kept.since, kept.until - began, kept.unexplained) == (began, 15 * DAY * 1_000_000, 1)
    assert "shows changes of the last 60 days only" in kept.differences[0].told


def test_an_outage_the_channel_still_shows_leaves_no_gap(world: World) -> None:
    shop = worked(world)
    world.later(59 * DAY)
    pull(world.store, shop, world.clock)
    assert last(world.store, shop.id) is None


def test_a_first_pull_and_a_channel_without_limit_have_none(world: World) -> None:
    shop = worked(world)
    connector(shop).look_back = None
    world.later(900 * DAY)
    pull(world.store, shop, world.clock)
    fresh = world.channel("fresh", fake=Fake(look_back=timedelta(days=60)))
    pull(world.store, fresh, world.clock)
    assert last(world.store, shop.id) is None
    assert last(world.store, fresh.id) is None
