"""Tokens: fetched once for everybody, renewed in time, and kept before they are used."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

import pytest

from core import credentials
from core.credentials import Grant, Granted, Memory, Tokens, origin
from core.errors import Unauthorized, Unavailable


class Clocks:
    """This machine's two clocks, which a test moves together or apart."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monotonic, self.time = 1_000.0, 1_800_000_000.0
        monkeypatch.setattr(credentials.time, "monotonic", lambda: self.monotonic)  # type: ignore[attr-defined]  # the module's own
        monkeypatch.setattr(credentials.time, "time", lambda: self.time)  # type: ignore[attr-defined]  # likewise

    def later(self, seconds: float) -> None:
        self.monotonic += seconds
        self.time += seconds


class Service:
    """A token service that gives a new refresh token with each access token, and what it was asked with."""

    def __init__(self, life: float = 100.0) -> None:
        self.life = life
        self.asked: list[str] = []
        self.before: Callable[[], None] = lambda: None

    def __call__(self, refresh: str) -> Granted:
        self.before()
        self.asked.append(refresh)
        return Granted(f"access-{len(self.asked)}", self.life, f"refresh-{len(self.asked)}")


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    return Clocks(monkeypatch)


def test_a_token_is_renewed_at_four_fifths_of_its_life(clocks: Clocks) -> None:
    tokens = Tokens(Service(life=100.0))
    assert tokens.get() == "access-1"
    clocks.later(79)
    assert tokens.get() == "access-1"
    clocks.later(2)
    assert tokens.get() == "access-2"
    assert tokens.get(newer_than="access-1") == "access-2", "someone else has renewed it meanwhile"
    assert tokens.get(newer_than="access-2") == "access-3"


@pytest.mark.parametrize("jump", [-86_400.0, 86_400.0])
def test_a_clock_that_is_set_meanwhile_neither_ends_a_token_nor_keeps_it_alive(clocks: Clocks, jump: float) -> None:
    service = Service(life=100.0)
    tokens = Tokens(service)
    tokens.get()
    clocks.time += jump
    clocks.later(79)
    assert tokens.get() == "access-1"
    clocks.later(2)
    assert tokens.get() == "access-2"


def test_each_renewal_is_asked_for_with_the_newest_refresh_token(clocks: Clocks) -> None:
    service = Service()
    tokens = Tokens(service)
    for _ in range(3):
        tokens.get()
        clocks.later(90)
    assert service.asked == ["", "refresh-1", "refresh-2"]


def test_a_service_that_gives_no_new_refresh_token_is_asked_with_the_old_one() -> None:
    asked: list[str] = []

    def fetch(refresh: str) -> Granted:
        asked.append(refresh)
        return Granted(f"access-{len(asked)}", 100.0, "refresh-1" if not refresh else "")

    tokens = Tokens(fetch)
    for dead in (None, "access-1", "access-2"):
        tokens.get(newer_than=dead)
    assert asked == ["", "refresh-1", "refresh-1"]


def test_what_is_kept_serves_the_next_instance_without_a_fetch(clocks: Clocks) -> None:
    keeper, service = Memory(), Service()
    assert Tokens(service, keeper=keeper).get() == "access-1"
    again = Tokens(service, keeper=keeper)
    assert again.get() == "access-1"
    clocks.later(81)
    assert again.get() == "access-2"
    assert service.asked == ["", "refresh-1"]


def test_a_token_of_another_origin_is_never_given_out() -> None:
    keeper, here, there = Memory(), Service(), Service()
    Tokens(here, keeper=keeper, origin=origin("https://a.example", "client", "first")).get()
    Tokens(there, keeper=keeper, origin=origin("https://b.example", "client", "first")).get()
    assert there.asked == [""], "neither the access token nor the refresh token of the other"


def test_an_origin_is_told_apart_by_each_of_its_parts_and_shows_none() -> None:
    origins = {origin("a", "b"), origin("ab", ""), origin("", "ab"), origin("a", "c")}
    assert len(origins) == 4
    assert "s3cret" not in origin("https://a.example", "s3cret")


class Watching(Memory):
    """A keeper that notes what is done with it."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[str] = []

    def save(self, kind: str, origin: str, grant: Grant, lease: str) -> bool:
        self.done.append(f"save {grant.access} {grant.refresh}")
        return super().save(kind, origin, grant, lease)

    def release(self, kind: str, lease: str) -> None:
        self.done.append("release")
        super().release(kind, lease)


def test_a_token_is_kept_before_it_is_used_and_the_lease_given_back_behind_it() -> None:
    keeper = Watching()
    keeper.done.append(f"use {Tokens(Service(), keeper=keeper).get()}")
    assert keeper.done == ["save access-1 refresh-1", "release", "use access-1"]


def test_what_cannot_be_kept_is_not_used() -> None:
    class Full(Memory):
        def save(self, kind: str, origin: str, grant: Grant, lease: str) -> bool:
            raise OSError("disk full")

    tokens = Tokens(Service(), keeper=Full())
    with pytest.raises(OSError, match="disk full"):
        tokens.get()
    with pytest.raises(OSError, match="disk full"):
        tokens.get()


def test_a_failed_fetch_gives_the_lease_back() -> None:
    def fetch(refresh: str) -> Granted:
        raise Unavailable("no answer")

    keeper = Memory()
    with pytest.raises(Unavailable):
        Tokens(fetch, keeper=keeper).get()
    assert keeper.lease("access", 1.0)


def test_a_lease_that_passed_to_another_meanwhile_keeps_nothing(clocks: Clocks) -> None:
    keeper, slow, quick = Memory(), Service(), Service()
    slow.life = quick.life = 1000.0

    def overtaken() -> None:
        slow.before = lambda: None
        clocks.later(credentials.LEASE + 1)
        assert Tokens(lambda refresh: Granted("theirs", 1000.0, "newer"), keeper=keeper).get() == "theirs"

    slow.before = overtaken
    assert Tokens(slow, keeper=keeper).get() == "theirs", "theirs was fetched later: ours may be dead by it"
    kept = keeper.load("access", "")
    assert kept is not None
    assert kept.refresh == "newer"


def test_while_another_renews_a_worn_token_still_serves_and_a_dead_one_is_waited_for(clocks: Clocks) -> None:
    keeper, service = Memory(), Service(life=100.0)
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        clocks.later(seconds)

    tokens = Tokens(service, keeper=keeper, account="shop", wait=wait)
    tokens.get()
    clocks.later(81)
    lease = keeper.lease("access", credentials.LEASE)
    assert tokens.get() == "access-1"
    assert waits == []
    with pytest.raises(Unavailable, match="another worker has begun to renew the token of shop") as raised:
        tokens.get(newer_than="access-1")
    assert raised.value.after is not None
    assert sum(waits) == pytest.approx(credentials.PATIENCE, abs=1)
    assert service.asked == [""]
    keeper.release("access", lease)
    assert tokens.get(newer_than="access-1") == "access-2"


def test_a_worker_that_waited_uses_what_the_other_has_brought(clocks: Clocks) -> None:
    keeper, service = Memory(), Service()
    lease = keeper.lease("access", credentials.LEASE)

    def wait(seconds: float) -> None:
        kept = Grant(access="theirs", expires_at=clocks.time + 100, renew_at=clocks.time + 80)
        keeper.save("access", "", kept, lease)

    assert Tokens(service, keeper=keeper, wait=wait).get() == "theirs"
    assert service.asked == []


def test_a_lease_whose_worker_died_ends_by_itself(clocks: Clocks) -> None:
    keeper, service = Memory(), Service()
    assert keeper.lease("access", credentials.LEASE)
    clocks.later(credentials.LEASE + 1)
    assert Tokens(service, keeper=keeper).get() == "access-1"


def test_what_cannot_be_read_is_fetched_anew_where_nobody_but_the_service_need_know_it() -> None:
    class Unreadable(Memory):
        def load(self, kind: str, origin: str) -> Grant | None:
            raise Unauthorized("sealed with another key")

    service = Service()
    assert Tokens(service, keeper=Unreadable()).get() == "access-1"
    with pytest.raises(Unauthorized, match="another key"):
        Tokens(service, keeper=Unreadable(), rotates=True).get()
    assert service.asked == [""], "the first refresh token was used up long ago"


def test_a_token_without_end_is_fetched_once(clocks: Clocks) -> None:
    service = Service(life=math.inf)
    tokens = Tokens(service)
    tokens.get()
    clocks.later(365 * 86_400.0)
    assert tokens.get() == "access-1"


def test_threads_that_meet_a_dead_token_together_fetch_one_new_one() -> None:
    service = Service(life=3600.0)
    service.before = lambda: time.sleep(0.01)
    keeper = Memory()
    # Two instances, as two connectors of the account have them, and four threads at each.
    instances = [Tokens(service, keeper=keeper) for _ in range(2)]
    dead = {tokens.get() for tokens in instances}
    assert dead == {"access-1"}
    together = threading.Barrier(8)
    got: list[str] = []

    def renew(tokens: Tokens) -> None:
        together.wait()
        got.append(tokens.get(newer_than="access-1"))

    threads = [threading.Thread(target=renew, args=(instances[at % 2],)) for at in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == ["access-2"] * 8
    assert service.asked == ["", "refresh-1"]


def test_no_text_of_a_grant_holds_its_secrets() -> None:
    grant = Grant(access="s3cret", expires_at=1.0, renew_at=1.0, refresh="s3cret")
    for text in (
        str(grant),
        repr(grant),
        repr(Granted("s3cret", 1.0, "s3cret")),
        repr(Tokens(lambda r: Granted("s3cret", 1.0))),
    ):
        assert "s3cret" not in text
