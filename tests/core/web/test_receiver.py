"""The addresses: what each answer means, and that nobody's words get through who is not the channel."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from connectors.sandbox import FarEnd, Sandbox
from core.model import Call
from core.settings import ChannelSettings
from core.store.database import Store
from core.web import inbox as inbox_module
from core.web.inbox import Inbox
from core.web.receiver import Receiver
from core.web.server import Request, Server
from tests.core.web.test_server import post, status


class World:
    """A receiver of a channel in memory, and of others that may not call."""

    def __init__(self, store: Store, world: str) -> None:
        self.store = store
        self.far_end = FarEnd.named(world)
        self.far_end.offer("MUG", {"east": 9})
        self.number = self.far_end.place([("MUG", 1)])
        self.settings: dict[str, ChannelSettings] = {
            "shop": settings(world, signing_secret=SecretStr("sandbox")),
            "new": settings(world, signing_secret=SecretStr("sandbox")),
            "deaf": settings(world),
        }
        with store.write() as tx:
            tx.run("INSERT INTO channels (name) VALUES ('shop'), ('deaf')")
        self.inbox = Inbox(store)
        self.inbox.start()
        self.trouble = ""
        self.receiver = Receiver(lambda: self.settings, self.inbox, lambda: self.trouble)

    def ask(self, path: str = "/hooks/shop", call: Call | None = None, method: str = "POST", **headers: str) -> int:
        given = call or Call(body=b"", headers={}, at=datetime.now(UTC))
        request = Request(method=method, path=path, headers={**given.headers, **headers}, body=given.body)
        return asyncio.run(self.receiver.answer(request)).status

    def rows(self, sql: str) -> list[Any]:
        with self.store.read() as tx:
            return list(tx.rows(sql))

    def hearing(self) -> Any:
        """What is counted, once all that waits is written."""
        self.inbox.stop()
        (row,) = self.rows("SELECT * FROM hearing")
        return row


def settings(world: str, **more: Any) -> ChannelSettings:
    return Sandbox.Settings(connector="sandbox", world=world, **more)


@pytest.fixture
def world(store: Store, tmp_path: Any) -> Iterator[World]:
    made = World(store, str(tmp_path))
    yield made
    made.inbox.stop()
    FarEnd.forget(str(tmp_path))


def test_a_call_of_the_channel_is_stored_before_it_is_answered_200(world: World) -> None:
    assert world.ask(call=world.far_end.event(world.number)) == 200
    assert world.rows("SELECT kind, subject FROM hints") == [("order", world.number)]


def test_a_call_made_again_is_answered_200_and_counts_once(world: World) -> None:
    call = world.far_end.event(world.number)
    assert [world.ask(call=call) for _ in range(3)] == [200] * 3
    assert world.rows("SELECT mark FROM hints") == [(1,)]
    assert world.hearing().repeated == 2


@pytest.mark.parametrize("signature", ["", "0" * 64, "\xff\xfe\xe9", "caf\xe9 " * 20])
def test_a_forged_call_is_401_whatever_its_signature_is_made_of(world: World, signature: str) -> None:
    call = world.far_end.event(world.number)
    with capture_logs() as lines:
        assert world.ask(call=call, **{"sandbox-signature": signature}) == 401
    assert [line["event"] for line in lines] == ["hint refused"]
    assert world.rows("SELECT * FROM hints") == []
    assert (world.hearing().refused, world.hearing().last_refused is not None) == (1, True)


def test_a_body_that_was_altered_is_401(world: World) -> None:
    call = world.far_end.event(world.number)
    assert world.ask(call=Call(body=call.body.replace(b"order", b"Order"), headers=call.headers, at=call.at)) == 401


def test_a_genuine_call_of_long_ago_is_left_alone(world: World) -> None:
    old = world.far_end.event(world.number, at=datetime.now(UTC) - timedelta(minutes=6))
    assert world.ask(call=old) == 200
    assert world.rows("SELECT * FROM hints") == []
    assert "too old" in world.hearing().refusal


def test_a_genuine_call_nobody_can_read_is_not_sent_again(world: World) -> None:
    assert world.ask(call=world.far_end.sign(b'{"name":"Ada"')) == 200
    assert world.rows("SELECT * FROM hints") == []
    assert world.hearing().refused == 1


def test_what_we_do_not_use_is_200(world: World) -> None:
    told = f'{{"event":"E","at":"{datetime.now(UTC).isoformat()}","topic":"weather"}}'
    assert world.ask(call=world.far_end.sign(told.encode())) == 200
    assert world.rows("SELECT * FROM heard") == []


@pytest.mark.parametrize("path", ["/", "/hooks", "/hooks/", "/hooks/nobody", "/hooks/shop/", "/hooks/deaf", "/x"])
def test_where_nobody_is_called_nobody_answers(world: World, path: str) -> None:
    assert world.ask(path, world.far_end.event(world.number)) == 404


def test_a_channel_never_taken_up_wants_it_again_later(world: World) -> None:
    assert world.ask("/hooks/new", world.far_end.event(world.number)) == 503


def test_what_cannot_be_stored_is_wanted_again_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox_module, "MOST_WAITING", 0)
    assert world.ask(call=world.far_end.event(world.number)) == 503


def test_new_settings_count_at_once(world: World) -> None:
    call = world.far_end.event(world.number)
    world.settings["shop"] = settings(str(world.far_end), signing_secret=SecretStr("another"))
    assert world.ask(call=call) == 401
    del world.settings["shop"]
    assert world.ask(call=call) == 404


def test_other_methods_are_told_which_one(world: World) -> None:
    assert world.ask(method="GET") == 405
    assert world.ask("/health", method="POST") == 405


def test_health_and_readiness_are_two_things(world: World) -> None:
    assert (world.ask("/health", method="GET"), world.ask("/ready", method="GET")) == (200, 200)
    world.trouble = "the store cannot be used: disk is full"
    assert (world.ask("/health", method="GET"), world.ask("/ready", method="GET")) == (200, 503)


def test_many_refusals_are_told_once_in_the_log(world: World) -> None:
    with capture_logs() as lines:
        for _ in range(50):
            assert world.ask() == 401
    assert [(line["event"], line["channel"]) for line in lines] == [("hint refused", "shop")]
    assert world.hearing().refused == 50


def test_nothing_of_a_body_is_ever_logged_or_stored(world: World) -> None:
    forged = Call(body=b'{"event":"Ada Lovelace"}', headers={}, at=datetime.now(UTC))
    with capture_logs() as lines:
        world.ask(call=forged)
        world.ask(call=world.far_end.sign(b'{"event":"Ada Lovelace","at":1,"topic":"order"}'))
    world.inbox.stop()
    assert "Ada" not in repr(lines) + repr(world.rows("SELECT * FROM hearing"))


def test_a_flood_about_one_order_is_one_look(world: World) -> None:
    """On a real socket: two hundred calls at once, a few connections each, none lost and one row."""
    server = Server("127.0.0.1", 0, world.receiver.answer)
    place = server.start()
    calls = [world.far_end.event(world.number) for _ in range(200)]

    async def deliver(call: Call) -> int:
        reader, writer = await asyncio.open_connection(*place)
        writer.write(post("/hooks/shop", call.body, *(f"{name}: {value}" for name, value in call.headers.items())))
        answer = await reader.read()
        writer.close()
        return status(answer)

    async def flood() -> list[int]:
        return await asyncio.gather(*(deliver(call) for call in calls))

    try:
        answers = asyncio.run(flood())
    finally:
        server.stop()
    assert answers == [200] * 200
    assert world.rows("SELECT subject, mark FROM hints") == [(world.number, 200)]
