"""Queues: one thread each, what is not stored stays in its queue, and a plugin's trouble is its channel's alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from connectors.sandbox import FarEnd, Sandbox
from core.errors import StoreError, Unauthorized
from core.settings import ChannelSettings
from core.store.database import Store
from core.web import inbox as inbox_module
from core.web import listeners as module
from core.web.inbox import Inbox
from core.web.listeners import Listeners

PATIENCE = 20.0


class World:
    def __init__(self, store: Store, world: str) -> None:
        self.store, self.name = store, world
        self.far_end = FarEnd.named(world)
        with store.write() as tx:
            tx.run("INSERT INTO channels (name) VALUES ('shop')")
        self.inbox = Inbox(store)
        self.inbox.start()
        self.listeners = Listeners(store, self.inbox)

    def settings(self, **more: Any) -> ChannelSettings:
        return Sandbox.Settings(**({"connector": "sandbox", "world": self.name, **more}))

    def follow(self, **more: Any) -> None:
        self.listeners.follow({"shop": self.settings(signing_secret=SecretStr("sandbox"), **more)})

    def rows(self, sql: str) -> list[Any]:
        with self.store.read() as tx:
            return list(tx.rows(sql))


@pytest.fixture
def world(store: Store, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.05)
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(module, "TROUBLE_SECONDS", 0.05)
    made = World(store, str(tmp_path))
    yield made
    running = [listener for _, listener in made.listeners._running.values()]
    made.listeners.stop()
    for listener in running:
        listener._thread.join(PATIENCE)
    made.inbox.stop()
    FarEnd.forget(str(tmp_path))


def until(true: Callable[[], object]) -> None:
    ends = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_a_message_becomes_a_hint_and_leaves_the_queue(world: World) -> None:
    world.follow()
    world.far_end.enqueue("S-1")
    until(lambda: world.far_end.queued() == 0)
    assert world.rows("SELECT subject FROM hints") == [("S-1",)]  # stored before it leaves its queue


def test_what_cannot_be_stored_stays_in_the_queue_until_it_can(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def full(*_: Any) -> Any:
        tried.append(1)
        raise StoreError("disk is full; free some")

    hear = inbox_module.hear
    monkeypatch.setattr(inbox_module, "hear", full)
    world.far_end.enqueue("S-1")
    world.follow()
    until(lambda: len(tried) > 1)
    assert world.far_end.queued() == 1
    monkeypatch.setattr(inbox_module, "hear", hear)
    until(lambda: world.far_end.queued() == 0)
    assert world.rows("SELECT subject FROM hints") == [("S-1",)]


def test_a_message_nobody_can_read_is_counted_and_gone(world: World) -> None:
    world.far_end.enqueue("")
    world.far_end.enqueue("S-1")
    world.follow()
    until(lambda: world.far_end.queued() == 0)
    assert world.rows("SELECT subject FROM hints") == [("S-1",)]
    until(lambda: world.rows("SELECT refused FROM hearing") == [(1,)])


def test_a_queue_that_does_not_answer_is_told_once_shown_and_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def refused(self: Sandbox, keep: Any, *, wait: float) -> int:
        calls.append(1)
        raise Unauthorized("the queue refuses the key; renew it")

    with capture_logs() as lines:
        with monkeypatch.context() as broken:
            broken.setattr(Sandbox, "listen", refused)
            world.follow()
            until(lambda: len(calls) > 2)
            assert world.rows("SELECT queue_trouble FROM hearing") == [("the queue refuses the key; renew it",)]
        until(lambda: world.rows("SELECT queue_trouble FROM hearing") == [("",)])
    assert [line["event"] for line in lines] == ["queue does not answer", "queue works again"]


def test_a_bug_of_a_plugin_is_its_own_channels(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(self: Sandbox, keep: Any, *, wait: float) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(Sandbox, "listen", bug)
    with capture_logs():
        world.follow()
        until(lambda: world.rows("SELECT queue_trouble FROM hearing") == [("ZeroDivisionError; see the log",)])


def test_a_plugin_that_cannot_even_be_made_stops_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(self: Sandbox) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(Sandbox, "deaf", bug)
    with capture_logs() as lines:
        world.follow()
        world.follow()
    assert [line["event"] for line in lines] == ["no connector to listen with"]


@pytest.mark.parametrize("more", [{"signing_secret": None}, {"mode": "shadow"}])
def test_who_is_not_to_be_listened_to_is_not(world: World, more: dict[str, Any]) -> None:
    world.listeners.follow({"shop": world.settings(**({"signing_secret": SecretStr("sandbox")} | more))})
    assert world.listeners._running == {}


def test_new_settings_get_a_new_thread_and_gone_channels_none(world: World) -> None:
    world.follow()
    _, first = world.listeners._running["shop"]
    world.follow(page_size=7)
    _, second = world.listeners._running["shop"]
    assert first is not second
    first._thread.join(PATIENCE)
    assert not first._thread.is_alive()
    world.listeners.follow({})
    second._thread.join(PATIENCE)
    assert not second._thread.is_alive()
