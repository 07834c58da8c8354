"""Rounds against a simulated Walmart: where the channel's ways ask something of the whole."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial

import pytest

from connectors.simulation import SimulatedListing
from connectors.walmart import Walmart
from connectors.walmart.simulator import WalmartSimulator
from core.model import AckState, CancelReason, Location
from core.settings import RoutingSettings
from core.store.database import Store
from core.store.moves import Entry, Stock
from core.sync.channel import Channel, clock, take_up
from core.sync.round import run_round
from tests.connectors.walmart.conftest import Connect
from tests.connectors.walmart.test_cancel import cancellation
from tests.connectors.walmart.trade import SKUS, place, states

pytestmark = pytest.mark.usefixtures("no_pauses")

NODES = ("100009", "361451")

Round = Callable[[], object]


@pytest.fixture
def channel(sqlite_store: Store, connect: Connect) -> Channel:
    """An account with two warehouses, twenty of everything in each, of which it offers ten at most."""
    connector = connect(locations={"east": NODES[0], "west": NODES[1]}, cap=10)
    spots = [Location(name="east", postal_code="10001"), Location(name="west", postal_code="94105")]
    channel = take_up(sqlite_store, connector.name, connector.settings, connector, spots, RoutingSettings(), clock())
    with sqlite_store.write() as tx:
        for sku in SKUS:
            tx.run("INSERT INTO items (sku, title) VALUES (:sku, :sku)", sku=sku)
        items = [row.id for row in tx.rows("SELECT id FROM items ORDER BY id")]
        stock = Stock(tx, items)
        for item in items:
            for site in channel.sites:
                cause = f"test:{item}@{site.id}"
                stock.move(Entry(item_id=item, location_id=site.id, cause=cause, kind="adjust", on_hand=20))
        stock.write(clock())
    return channel


@pytest.fixture
def go_round(sqlite_store: Store, channel: Channel) -> Round:
    return lambda: run_round(sqlite_store, channel, {channel.name: channel.settings}, clock)


def test_a_feed_in_the_works_for_hours_is_asked_after_and_not_sent_again(
    simulator: WalmartSimulator, channel: Channel, sqlite_store: Store
) -> None:
    with sqlite_store.write() as tx:
        for at in range(30):
            simulator.offer(
                SimulatedListing(sku=f"F-{at}", title="f", price=Decimal(1), quantities=dict.fromkeys(NODES, 0))
            )
            tx.run("INSERT INTO items (sku, title) VALUES (:sku, :sku)", sku=f"F-{at}")
    now = clock()
    for _ in range(6 * 12):  # six hours, a round every five minutes
        run_round(sqlite_store, channel, {channel.name: channel.settings}, partial(int, now))
        now += 300 * 1_000_000
    assert simulator.calls["feedInventory"] == 1
    assert 20 <= simulator.calls["getFeedItemStatus"] <= 40
    simulator.settle_feeds()
    now += 1_000 * 1_000_000
    run_round(sqlite_store, channel, {channel.name: channel.settings}, partial(int, now))
    with sqlite_store.read() as tx:
        assert {row.state for row in tx.rows("SELECT state FROM levels")} == {"applied"}
    assert simulator.calls["feedInventory"] == 1


def test_a_level_walmart_emptied_is_told_again_though_it_has_not_changed_here(
    simulator: WalmartSimulator, channel: Channel, go_round: Round
) -> None:
    go_round()
    assert simulator.levels()[SKUS[0], NODES[0]] == 5
    number = place(simulator, (SKUS[0], 2))
    go_round()
    assert simulator.levels()[SKUS[0], NODES[0]] == 5
    assert isinstance(channel.connector, Walmart)
    row = cancellation(number, {"1": 1}, reason=CancelReason.OUT_OF_STOCK)
    assert states(channel.connector.push_cancellations([row])) == {row.key: AckState.APPLIED}
    assert simulator.levels()[SKUS[0], NODES[0]] == 0
    go_round()
    assert simulator.levels()[SKUS[0], NODES[0]] == 5
