"""The service's own care for channels whose turns could not even be booked; a stage without threads and waiting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

import daemon
from core.errors import StoreError
from core.settings import Watched
from core.store.database import Store
from tests.core.commands.desk import Desk


class AtOnce:
    """A scheduler that does what it is given at once."""

    def add_job(self, job: Callable[..., None], *_: Any, args: tuple[Any, ...] = (), **__: Any) -> None:
        job(*args)


class Stage:
    """A service with two channels whose turns are `turns`, and a clock that stands still."""

    def __init__(self, desk: Desk, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        desk.channel("shop")
        desk.channel("outlet")
        self.now = 1000.0
        self.tried: Counter[str] = Counter()
        self.trouble: dict[str, Exception] = {}
        monkeypatch.setattr(daemon, "time", SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.setattr(daemon, "turn", self._turn)
        self.service = daemon.Service(Watched(desk.config), store)
        self.service._scheduler = AtOnce()

    def _turn(self, store: Store, settings: Any, name: str, **_: Any) -> object:
        self.tried[name] += 1
        if name in self.trouble:
            raise self.trouble[name]
        return object()

    def tick(self, count: int = 1) -> dict[str, int]:
        """How often each channel was tried in so many ticks."""
        before = Counter(self.tried)
        for _ in range(count):
            self.service._tick()
        return dict(self.tried - before)


@pytest.fixture
def stage(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    store = desk.store()
    yield Stage(desk, store, monkeypatch)
    store.close()


def test_a_channel_rests_when_its_turn_could_not_use_the_store_and_no_other_does(stage: Stage) -> None:
    stage.trouble["shop"] = StoreError("the store cannot be used: database or disk is full; free some disk space")
    assert stage.tick(4) == {"shop": 1, "outlet": 4}
    stage.now += daemon.STORE_PAUSE - 0.1
    assert stage.tick() == {"outlet": 1}
    stage.now += 0.2
    assert stage.tick() == {"shop": 1, "outlet": 1}


def test_the_stores_trouble_is_one_line_when_it_begins_and_one_when_it_ends(stage: Stage) -> None:
    full = StoreError("the store cannot be used: database or disk is full; free some disk space")
    with capture_logs() as lines:
        for _ in range(3):
            stage.trouble = {"shop": full, "outlet": full}
            stage.tick()
            stage.now += daemon.STORE_PAUSE + 1
        stage.trouble = {}
        stage.tick(3)
    assert [(line["log_level"], line["event"]) for line in lines] == [
        ("error", "store cannot be used; nothing is lost, it is tried again"),
        ("info", "store works again"),
    ]
    assert lines[0]["reason"] == str(full)


def test_a_bug_in_one_turn_rests_its_channel_for_longer_and_is_told_in_full(stage: Stage) -> None:
    stage.trouble["shop"] = ZeroDivisionError()
    with capture_logs() as lines:
        assert stage.tick(3) == {"shop": 1, "outlet": 3}
    assert [(line["event"], line["channel"], line["exc_info"]) for line in lines] == [("turn failed", "shop", True)]
    stage.now += daemon.STORE_PAUSE + 1
    assert stage.tick() == {"outlet": 1}
    stage.now += 300
    assert stage.tick() == {"shop": 1, "outlet": 1}


def test_a_store_that_cannot_be_read_costs_a_tick_and_not_the_service(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise StoreError("the store cannot be used: no answer; start it")

    with monkeypatch.context() as patched, capture_logs() as lines:
        patched.setattr(stage.service, "_due", away)
        assert stage.tick(3) == {}
    assert [line["reason"] for line in lines] == ["the store cannot be used: no answer; start it"]
    assert stage.tick() == {"shop": 1, "outlet": 1}


def test_a_warehouse_has_its_turn_beside_the_channels_and_its_trouble_is_its_own(
    stage: Stage, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    (desk.config / "warehouses").mkdir()
    desk.write("warehouses/depot.toml", 'connector = "sandbox"\nlocations = { east = "E" }\n')

    def tried(store: Store, settings: Any, name: str, **_: Any) -> None:
        stage.tried[name] += 1
        if name in stage.trouble:
            raise stage.trouble[name]

    monkeypatch.setattr(daemon, "warehouse_turn", tried)
    stage.tick(2)  # a changed folder is taken in once it has looked the same twice
    assert stage.tick() == {"shop": 1, "outlet": 1, "depot": 1}
    desk.change("INSERT INTO warehouses (name, next_due, wanted, done) VALUES ('depot', 9000000000000000, 1, 1)")
    assert stage.tick() == {"shop": 1, "outlet": 1}
    desk.change("UPDATE warehouses SET wanted = 2")
    assert stage.tick() == {"shop": 1, "outlet": 1, "depot": 1}
    stage.trouble["depot"] = RuntimeError("a bug")
    with capture_logs() as lines:
        assert stage.tick(3) == {"shop": 3, "outlet": 3, "depot": 1}
    assert [line["channel"] for line in lines if line["event"] == "turn failed"] == ["depot"]


@pytest.mark.parametrize("restarted", [False, True])
def test_a_clock_that_is_set_back_leaves_no_channel_waiting_for_its_old_time(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, restarted: bool
) -> None:
    day = 86_400_000_000
    wall = 1_800_000_000_000_000
    monkeypatch.setattr(daemon, "clock", lambda: wall)
    with stage.service._store.write() as tx:
        for name in ("shop", "outlet"):
            tx.run(
                "INSERT INTO channels (name, next_due, last_success) VALUES (:name, :next, :now)",
                name=name, next=wall + 30_000_000, now=wall,
            )  # fmt: skip
        tx.run("INSERT INTO warehouses (name, next_due, last_success) VALUES ('depot', :next, :now)",
               next=wall + 30_000_000, now=wall)  # fmt: skip
    with capture_logs() as lines:
        assert stage.tick(2) == {}
        wall -= 20_000_000
        assert stage.tick() == {}  # it is mended within a minute
        wall -= day
        if restarted:
            stage.service._clock_stands = None
        assert stage.tick() == {"shop": 1, "outlet": 1}
    assert [line["log_level"] for line in lines] == ["warning"]
    assert "the clock was set back" in lines[0]["event"]
    with stage.service._store.read() as tx:
        assert tx.value("SELECT next_due FROM warehouses") == 0


def test_what_waits_long_and_on_purpose_waits_on_over_a_restart(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    wall = 1_800_000_000_000_000
    monkeypatch.setattr(daemon, "clock", lambda: wall)
    with stage.service._store.write() as tx:
        for name in ("shop", "outlet"):
            tx.run(
                "INSERT INTO channels (name, next_due, last_success) VALUES (:name, :next, :now)",
                name=name, next=wall + 86_400_000_000, now=wall - 30_000_000,
            )  # fmt: skip
    assert stage.tick() == {}
