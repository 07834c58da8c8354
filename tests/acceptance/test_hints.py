"""Hints end to end: a real daemon that asks its channels once an hour, and channels that tell it what happened.

What is asserted is what came about, within a patience far beyond what it takes and far below an hour.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.amazon.simulator import AmazonSimulator
from connectors.shopify.simulator import ShopifySimulator
from connectors.simulation import Fault, SimulatedLine, SimulatedOrder
from core.commands.rehearsal import SKUS, Rehearsal
from core.sync.channel import clock
from tests.acceptance.test_daemon import Running
from tests.connectors.amazon.queue import Sqs, aws, sqs

__all__ = ["aws", "sqs"]

OUTSIDE = "https://hooks.example.test"
"""Where channels are told to call; a proxy with TLS stands there."""

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Rehearsal]:
    """Two channels that are asked once an hour, and an address they may call."""
    play = Rehearsal(tmp_path, seed=5, channels=["shopify", "walmart"])
    play.open()
    port = free_port()
    common = play.config / "ordersync.toml"
    common.write_text(common.read_text() + f'\n[receiver]\nlisten = "127.0.0.1:{port}"\npublic_url = "{OUTSIDE}"\n')
    for file in (play.config / "channels").iterdir():
        file.write_text(file.read_text().replace("poll_seconds = 1", "poll_seconds = 3600"))
    for simulator in play.channels.values():
        simulator.route(OUTSIDE, f"http://127.0.0.1:{port}")
    yield play
    play.close()


@pytest.fixture
def daemon(play: Rehearsal) -> Iterator[Running]:
    """A daemon that has done its first turns: everything is told, every channel subscribed, and nothing due."""
    running = Running(play)
    try:
        running.until(lambda: _rows(play, "SELECT 1 FROM hearing WHERE audited_at > 0") == 2, "the subscriptions")
        running.until(lambda: _settled(play), "the first levels")
        yield running
    finally:
        running.process.kill()
        running.process.wait()


def _rows(play: Rehearsal, sql: str, **params: Any) -> int:
    assert play.store is not None
    with play.store.read() as tx:
        return len(tx.rows(sql, **params))


def _settled(play: Rehearsal) -> bool:
    """Both channels have had their turn, and every level was taken."""
    turns = _rows(play, "SELECT 1 FROM channels WHERE last_success IS NOT NULL AND next_due > :now", now=clock())
    return turns == 2 and play.pending() == 0


def _reserved(play: Rehearsal, number: str) -> bool:
    return _rows(play, "SELECT 1 FROM orders o JOIN lines l ON l.order_id = o.id WHERE o.number = :n"
                 " AND l.reserved = l.ordered", n=number) > 0  # fmt: skip


def _told(play: Rehearsal, channel: str, sku: str, before: int) -> bool:
    """Whether the channel itself shows fewer of it than before, in all its places."""
    return _level(play, channel, sku) < before


def _level(play: Rehearsal, channel: str, sku: str) -> int:
    return sum(units for (found, _), units in play.channels[channel].levels().items() if found == sku)


def _buy(play: Rehearsal, channel: str, sku: str) -> str:
    return play.channels[channel].place(SimulatedOrder(lines=(SimulatedLine(sku=sku, quantity=2),)))


@pytest.mark.parametrize(("here", "there"), [("shopify", "walmart"), ("walmart", "shopify")])
def test_an_order_is_reserved_and_the_other_channel_told_by_its_hint(daemon: Running, here: str, there: str) -> None:
    play, sku = daemon.play, SKUS[0]
    before = _level(play, there, sku)
    number = _buy(play, here, sku)
    daemon.until(lambda: _reserved(play, number), "the reservation")
    daemon.until(lambda: _told(play, there, sku, before), "the other channel's level")
    assert _rows(play, "SELECT * FROM hearing WHERE received > 0") >= 1
    assert daemon.stop() == 0


def test_an_order_whose_hints_are_all_lost_is_found_by_the_poll(daemon: Running) -> None:
    play, sku = daemon.play, SKUS[0]
    before = _level(play, "walmart", sku)
    play.channels["shopify"].faults.set({Fault.HINT_LOST: 1.0})
    number = _buy(play, "shopify", sku)
    other = _buy(play, "walmart", sku)
    daemon.until(lambda: _reserved(play, other), "the other channel's order, by its hint")
    assert not _reserved(play, number)  # nobody told of it, and the clock did not come to it
    file = play.config / "channels" / "shopify.toml"
    file.write_text(file.read_text().replace("poll_seconds = 3600", "poll_seconds = 5"))
    daemon.until(lambda: _reserved(play, number), "the reservation, by the poll")
    daemon.until(lambda: _told(play, "walmart", sku, before - 2), "the other channel's level")


def test_a_channel_that_was_told_it_is_removed_is_parked_with_what_to_do(daemon: Running) -> None:
    play = daemon.play
    shop = play.channels["shopify"]
    assert isinstance(shop, ShopifySimulator)
    shop.uninstall()
    parked = "SELECT 1 FROM channels WHERE name = 'shopify' AND health = 'parked' AND reason LIKE '%install it again%'"
    daemon.until(lambda: _rows(play, parked) == 1, "the channel parked")
    assert _rows(play, "SELECT 1 FROM channels WHERE name = 'walmart' AND health = 'ok'") == 1


def test_an_order_of_amazon_is_reserved_by_its_message_in_the_queue(tmp_path: Path, sqs: Sqs) -> None:
    """Amazon's own poll is an hour away: the message in the seller's queue is all there is."""
    play = Rehearsal(tmp_path, seed=5, channels=["amazon", "shopify"])
    play.open()
    amazon = play.channels["amazon"]
    assert isinstance(amazon, AmazonSimulator)
    amazon.notifications.queues[sqs.arn] = sqs.send
    for file in (play.config / "channels").iterdir():
        file.write_text(file.read_text().replace("poll_seconds = 1", "poll_seconds = 3600"))
    file = play.config / "channels" / "amazon.toml"
    # A key of the file itself goes before its first table.
    file.write_text("".join(f'{key} = "{value}"\n' for key, value in sqs.settings.items()) + file.read_text())
    running = Running(play)
    try:
        running.until(lambda: amazon.notifications.subscriptions, "the subscription")
        running.until(lambda: _settled(play), "the first levels")
        before = _level(play, "shopify", SKUS[0])
        number = _buy(play, "amazon", SKUS[0])
        running.until(lambda: _reserved(play, number), "the reservation")
        running.until(lambda: _told(play, "shopify", SKUS[0], before), "the other channel's level")
        running.until(lambda: sqs.left() == 0, "the queue to be empty")
        assert running.stop() == 0
    finally:
        running.process.kill()
        running.process.wait()
        play.close()
