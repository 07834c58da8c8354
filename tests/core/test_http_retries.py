"""The wire again: what is tried again and when, what is paid from a budget, and whose token goes along."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from core import http
from core.budgets import USED, Budget
from core.credentials import Granted, Tokens
from core.errors import Throttled, Unauthorized, Unavailable
from tests.core.raw import RawServer, Reset, Said, answer, saying


def asked(server: RawServer) -> int:
    return len(server.requests)


def waits_of(*script: Said, method: str = "GET") -> tuple[list[float], int]:
    """The waits between the tries of one request that may fail, and the number of tries."""
    waits: list[float] = []
    with saying(*script) as far, http.client("shop", sleep=waits.append) as client:
        with contextlib.suppress(Unavailable):
            client.request(method, far.url)
        return waits, asked(far)


def test_a_read_is_tried_again_a_bounded_number_of_times_with_jitter() -> None:
    waits, tries = waits_of(answer(503))
    assert tries == http.ATTEMPTS
    assert len(waits) == http.ATTEMPTS - 1
    assert all(0.05 <= wait <= http.PATIENCE for wait in waits)
    assert waits != waits_of(answer(503))[0]


@pytest.mark.parametrize("lost", [answer(503), Reset(), Reset(answer(length=900))], ids=["503", "no answer", "half"])
def test_a_write_whose_answer_was_lost_is_sent_once_and_raised_as_ambiguous(lost: Said) -> None:
    client = http.client("shop", sleep=lambda seconds: None)
    with saying(lost) as far, client, pytest.raises(Unavailable) as raised:
        client.post(far.url)
    assert raised.value.ambiguous
    assert asked(far) == 1


def test_a_read_whose_answer_was_lost_is_tried_again() -> None:
    assert waits_of(Reset(), answer())[1] == 2


def test_a_write_that_was_turned_away_is_tried_again() -> None:
    assert waits_of(answer(429), answer(425), answer(), method="POST")[1] == 3


def test_a_write_that_may_be_repeated_is_tried_again() -> None:
    client = http.client("shop", safe=lambda request: request.url.path == "/search", sleep=lambda seconds: None)
    with saying(Reset(), answer()) as far, client:
        assert client.post(f"{far.url}/search", content=b"{}").status_code == 200
        assert [request.endswith(b"{}") for request in far.requests] == [True, True], "with its body"
    with saying(Reset(), answer()) as far, http.client("shop", sleep=lambda seconds: None) as client:
        assert client.post(far.url, extensions={"safe": True}).status_code == 200
    with saying(Reset(), answer()) as far, http.client("shop") as client, pytest.raises(Unavailable):
        client.get(far.url, extensions={"safe": False})


def test_a_write_that_may_have_arrived_stays_in_doubt_however_its_later_tries_end() -> None:
    client = http.client("shop", safe=lambda request: True, sleep=lambda seconds: None)
    with saying(Reset(), answer(429)) as far, client, pytest.raises(Unavailable) as raised:
        client.post(far.url)
    assert asked(far) == http.ATTEMPTS
    assert raised.value.ambiguous


NOW = datetime(2026, 11, 1, 6, 30, tzinfo=UTC)  # in the hour that New York has twice


@pytest.fixture
def new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This machine's clock shows New York's time."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("new_york")
@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        (["Retry-After: 3"], 3.0),
        (["Retry-After: 1.5"], 1.5),
        (["Retry-After: 0"], 0.0),
        (["Retry-After: -5"], 0.0),
        (
            [
                f"Date: {format_datetime(NOW, True)}",
                f"Retry-After: {format_datetime(NOW + timedelta(seconds=7), True)}",
            ],
            7.0,
        ),
        ([f"Date: {format_datetime(NOW, True)}", "Retry-After: Sun, 01 Nov 2026 06:30:04 -0000"], 4.0),
        (["Retry-After: Thu, 01 Jan 1970 00:00:00 GMT"], 0.0),
    ],
    ids=[
        "seconds",
        "half seconds",
        "none to wait",
        "less than none",
        "a date",
        "a date without zone",
        "a date long past",
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_the_far_end_is_waited_for_as_long_as_it_asks(status: int, headers: list[str], wait: float) -> None:
    assert waits_of(answer(status, b"", *headers), answer()) == ([wait], 2)


def test_a_retry_after_by_date_counts_from_now_where_the_far_end_tells_no_time() -> None:
    due = datetime.now(UTC) + timedelta(seconds=8)
    waits, _ = waits_of(answer(429, b"", f"Retry-After: {format_datetime(due, True)}"), answer())
    assert 0 < waits[0] <= 8


@pytest.mark.parametrize("value", ["soon", "nan", "inf", "9" * 400, "Foo, 99 Bar 2026 99:99:99 GMT"])
def test_an_unreadable_retry_after_is_none(value: str) -> None:
    waits, tries = waits_of(answer(429, b"", f"Retry-After: {value}"), answer())
    assert tries == 2
    assert 0.05 <= waits[0] <= http.PATIENCE


@pytest.mark.parametrize(("value", "after"), [("11", 11.0), ("99999999", 86_400.0)])
def test_a_long_wait_is_raised_and_not_slept(value: str, after: float) -> None:
    waits: list[float] = []
    client = http.client("shop", sleep=waits.append)
    with saying(answer(429, b"", f"Retry-After: {value}")) as far, client, pytest.raises(Unavailable) as raised:
        client.get(far.url)
    assert raised.value.after == after
    assert (waits, asked(far)) == ([], 1)


# Budgets.


class Clock:
    """Monotonic seconds that pass when someone sleeps, and only then."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        monkeypatch.setattr(http.time, "monotonic", lambda: self.now)  # type: ignore[attr-defined]  # the module's own

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def answering(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={})


def budgeted(clock: Clock, **budgets: Budget) -> httpx.Client:
    return http.client(
        "shop",
        operation=lambda request: request.url.path.strip("/"),
        budgets=budgets,
        transport=httpx.MockTransport(answering),
        sleep=clock.sleep,
    )


def test_a_budget_lets_its_burst_pass_and_then_its_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    with budgeted(clock, orders=Budget(rate=2.0, burst=3)) as client:
        for _ in range(3):
            client.get("http://far.test/orders")
        assert clock.slept == []
        for _ in range(10):
            client.get("http://far.test/orders")
    assert sum(clock.slept) == pytest.approx(5.0 / USED, abs=0.02)


def test_a_spent_budget_is_raised_with_its_wait_and_not_slept(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    with budgeted(clock, orders=Budget(rate=0.0056, burst=1)) as client:
        client.get("http://far.test/orders")
        clock.now += 60
        with pytest.raises(Throttled, match="the budget of orders is spent") as raised:
            client.get("http://far.test/orders")
        assert raised.value.after == pytest.approx(1 / (0.0056 * USED) - 60, abs=0.02)
        assert not raised.value.ambiguous
        assert clock.slept == []
        clock.now += 129
        client.get("http://far.test/orders")


def test_each_operation_has_a_budget_of_its_own_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    with budgeted(clock, orders=Budget(0.01, 1), feeds=Budget(0.01, 1)) as client:
        for path in ("orders", "feeds", "other", "other", "other"):
            client.get(f"http://far.test/{path}")
    assert clock.slept == []


def test_every_try_is_paid_for(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    answers = iter([httpx.Response(503), httpx.Response(200)])
    client = http.client(
        "shop",
        operation=lambda request: "orders",
        budgets={"orders": Budget(0.01, 1)},
        transport=httpx.MockTransport(lambda request: next(answers)),
        sleep=clock.sleep,
    )
    with client, pytest.raises(Unavailable, match="budget"):
        client.get("http://far.test/orders")


def test_what_is_sparing_leaves_its_share_of_the_burst_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    with budgeted(clock, orders=Budget(rate=0.1, burst=5), feeds=Budget(1, 5)) as client:
        with http.sparing(3):
            for _ in range(2):
                client.get("http://far.test/orders")
            with pytest.raises(Unavailable, match="the budget of orders has nothing to spare") as raised:
                client.get("http://far.test/orders")
            assert raised.value.after == pytest.approx(10.0 / USED, abs=0.1)
            assert not raised.value.ambiguous
            client.get("http://far.test/feeds")  # another operation's budget is another's
            client.get("http://far.test/free")
        for _ in range(3):  # what was kept is there for whoever goes first
            client.get("http://far.test/orders")
        assert clock.slept == []
        clock.now += 36
        with http.sparing(3), pytest.raises(Unavailable, match="spare"):
            client.get("http://far.test/orders")
        clock.now += 7
        with http.sparing(3):
            client.get("http://far.test/orders")


# Tokens.


def counting(prefix: str = "token", life: float = 3600.0) -> tuple[Tokens, list[str]]:
    fetched: list[str] = []

    def fetch(refresh: str) -> Granted:
        fetched.append(f"{prefix}-{len(fetched) + 1}")
        return Granted(fetched[-1], life)

    return Tokens(fetch), fetched


def authorised(tokens: Tokens, **rest: Callable[[httpx.Response], bool]) -> httpx.Client:
    return http.client("shop", authorise=http.header("x-token", tokens), sleep=lambda seconds: None, **rest)  # type: ignore[arg-type]  # one optional argument


def shown(far: RawServer) -> list[str]:
    """The token of each request that arrived."""
    return [
        line[len(b"x-token: ") :].decode()
        for request in far.requests
        for line in request.split(b"\r\n")
        if line.lower().startswith(b"x-token: ")
    ]


def test_a_token_is_fetched_once_and_renewed_once_on_a_401() -> None:
    tokens, fetched = counting()
    with saying(answer(), answer(), answer(401), answer(), answer()) as far, authorised(tokens) as client:
        for _ in range(4):
            client.post(far.url)
        assert shown(far) == ["token-1", "token-1", "token-1", "token-2", "token-2"]
    assert fetched == ["token-1", "token-2"]


def test_a_second_401_is_unauthorized() -> None:
    tokens, fetched = counting()
    with (
        saying(answer(401)) as far,
        authorised(tokens) as client,
        pytest.raises(Unauthorized, match="shop; renew them"),
    ):
        client.get(far.url)
    assert asked(far) == 2
    assert len(fetched) == 2


def test_a_token_is_renewed_once_a_request_however_often_that_is_tried() -> None:
    tokens, fetched = counting()
    script = [answer(401), answer(503), answer(401), answer()]
    with saying(*script) as far, authorised(tokens) as client, pytest.raises(Unauthorized):
        client.get(far.url)
    assert len(fetched) == 2


def test_a_403_asks_for_a_person_and_no_token_unless_the_connector_calls_it_stale() -> None:
    tokens, fetched = counting()
    with saying(answer(403, b'{"code":"OLD"}'), answer()) as far, authorised(tokens) as client:
        with pytest.raises(Unauthorized, match="missing scope"):
            client.get(far.url)
        assert len(fetched) == 1
    with saying(answer(403, b'{"code":"OLD"}'), answer()) as far:
        with authorised(tokens, stale=lambda response: b"OLD" in response.content) as client:
            assert client.get(far.url).status_code == 200
        assert len(fetched) == 2


def test_without_a_token_no_request_is_sent_and_nothing_is_ambiguous() -> None:
    fetches = []

    def fetch(refresh: str) -> Granted:
        fetches.append(1)
        raise Unavailable("the token service broke off its answer", after=2.0, ambiguous=True)

    with saying(answer()) as far, authorised(Tokens(fetch)) as client, pytest.raises(Unavailable) as raised:
        client.post(far.url)
    assert (asked(far), len(fetches)) == (0, 1), "whoever fetches tokens has tried often enough"
    assert (raised.value.ambiguous, raised.value.after) == (False, 2.0)


def test_two_accounts_in_two_threads_never_share_a_token() -> None:
    together = threading.Barrier(2)

    def work(account: str, url: str) -> None:
        tokens, _ = counting(account)
        with authorised(tokens) as client:
            together.wait()
            for _ in range(20):
                client.get(f"{url}/{account}")

    with saying(answer()) as far:
        threads = [threading.Thread(target=work, args=(account, far.url)) for account in ("east", "west")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        lines = [request.split(b"\r\n") for request in far.requests]
    pairs = {
        (head[0].split(b" ")[1].decode(), line.split(b": ")[1].decode())
        for head in lines
        for line in head
        if line.lower().startswith(b"x-token")
    }
    assert pairs == {("/east", "east-1"), ("/west", "west-1")}
    assert len(lines) == 40
