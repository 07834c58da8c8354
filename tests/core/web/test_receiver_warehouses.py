"""Warehouses' own calls: kept whole before they are answered, and taken in by the next turn."""

from __future__ import annotations

import asyncio
import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from connectors.webhook import Webhook, signing
from core.errors import StoreError
from core.store.database import Store
from core.sync.take_notices import keep_notices, take_told
from core.sync.warehouse import take_up
from core.web.inbox import Inbox
from core.web.receiver import Receiver
from core.web.server import Request
from tests.core.sync.world import World

SECRET = "0123456789abcdef"
_numbers = itertools.count()


class Door:
    """A receiver with the warehouse `depot`, which may call, and `mute`, which may not."""

    def __init__(self, store: Store) -> None:
        self.world = World(store)
        self.world.item("TEE", east=10)
        base: Any = {"connector": "http", "base_url": "https://wms.test", "locations": {"east": "E"}}
        self.settings = Webhook.Settings(**base, signing_secret=SecretStr(SECRET), polls=False)
        self.broken = False
        self.receiver = Receiver(dict, Inbox(store), lambda: "", lambda: {"depot": self.settings}, self._keep)

    def _keep(self, name: str, notices: Any) -> bool:
        if self.broken:
            raise StoreError("full")
        return keep_notices(self.world.store, name, notices, self.world.now)

    def take_up(self) -> Any:
        warehouse: Any = Webhook("depot", self.settings)
        return take_up(self.world.store, "depot", self.settings, warehouse, self.world.locations, self.world.now)

    def ask(self, body: bytes, *, seconds: float = 0, path: str = "/warehouses/depot", method: str = "POST") -> int:
        at = int((datetime.now(UTC) + timedelta(seconds=seconds)).timestamp())
        headers = signing.headers(SECRET, at, method, path, body)
        request = Request(method=method, path=path, headers=headers, body=body)
        return asyncio.run(self.receiver.answer(request)).status

    def states(self) -> list[str]:
        return [row.state for row in self.world.rows("SELECT state FROM notices ORDER BY id")]


@pytest.fixture
def door(store: Store) -> Door:
    return Door(store)


def adjusted(change: int = -1) -> bytes:
    told = {"id": f"A{next(_numbers)}", "type": "adjusted", "at": "2026-11-02T09:00:00Z", "place": "E", "sku": "TEE"}
    return json.dumps({"events": [{**told, "change": change, "reason": "broken"}]}).encode()


def test_what_it_tells_is_kept_before_it_is_answered_and_booked_once_by_the_next_turn(door: Door) -> None:
    house = door.take_up()
    body = adjusted(-3)
    assert [door.ask(body), door.ask(body)] == [200, 200]
    assert door.states() == ["waiting"]
    row = door.world.row("SELECT wanted, done FROM warehouses")
    assert row.wanted > row.done
    assert take_told(door.world.store, house, door.world.clock).taken == 1
    assert door.states() == ["taken"]
    assert door.world.stock("TEE") == (7, 0)
    assert door.ask(body) == 200
    assert take_told(door.world.store, house, door.world.clock).taken == 0
    assert door.world.stock("TEE") == (7, 0)


def test_an_event_that_cannot_be_read_is_kept_with_its_neighbours(door: Door) -> None:
    house = door.take_up()
    body = adjusted()[:-2] + b', {"id": "torn", "type": "left"}]}'
    assert door.ask(body) == 200
    heard = take_told(door.world.store, house, door.world.clock)
    assert (heard.taken, heard.unread) == (1, 1)


@pytest.mark.parametrize(
    ("answer", "how"),
    [(401, {"seconds": -400}), (401, {"body": b"x"}), (400, {"whole": b"[]"}), (404, {"path": "/warehouses/moon"}),
     (405, {"method": "GET"})],
)  # fmt: skip
def test_what_is_not_the_warehouses_is_not_kept(door: Door, answer: int, how: dict[str, Any]) -> None:
    door.take_up()
    if "body" in how:
        headers = signing.headers(SECRET, int(datetime.now(UTC).timestamp()), "POST", "/warehouses/depot", adjusted())
        request = Request(method="POST", path="/warehouses/depot", headers=headers, body=how["body"])
        with capture_logs() as lines:
            assert asyncio.run(door.receiver.answer(request)).status == answer
        assert [line["warehouse"] for line in lines] == ["depot"]
    else:
        more = {key: value for key, value in how.items() if key != "whole"}
        assert door.ask(how.get("whole", adjusted()), **more) == answer
    assert door.states() == []


def test_what_cannot_be_kept_is_to_be_sent_again(door: Door) -> None:
    assert door.ask(adjusted()) == 503  # nobody has taken the warehouse up yet
    door.take_up()
    door.broken = True
    assert door.ask(adjusted()) == 503
    door.broken = False
    assert door.ask(adjusted()) == 200
