"""The sandbox beyond the contract suite: its far end is strict, and its connector believes no odd answer."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from connectors.sandbox import FarEnd, Sandbox, pushes
from core.connector import find
from core.errors import BadDocument, Rejected, Unavailable
from core.guard import transaction
from core.model import AckState, Hold, Level, Observation

REFUND = {"order": "S-1001", "key": "k", "lines": {}, "shipping": "1.00", "currency": "USD", "reason": "goodwill"}

_worlds = (f"sandbox-{number}" for number in itertools.count())


@pytest.fixture
def world() -> Iterator[str]:
    name = next(_worlds)
    yield name
    FarEnd.forget(name)


@pytest.fixture
def far_end(world: str) -> FarEnd:
    far_end = FarEnd.named(world)
    far_end.offer("MUG", {"east": 9, "west": 5})
    far_end.offer("PEN", {"east": 3})
    return far_end


@pytest.fixture
def sandbox(world: str, far_end: FarEnd) -> Sandbox:
    return connected(world)


def connected(world: str, **more: int) -> Sandbox:
    return Sandbox("sandbox", Sandbox.Settings(connector="sandbox", world=world, **more))  # type: ignore[arg-type]  # keys


def level(key: str, sku: str = "MUG", place: str = "east", quantity: int = 4) -> Level:
    return Level(key=key, sku=sku, handle="", place=place, quantity=quantity, revision=1)


def with_answer(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, answer: Callable[[str], object]) -> None:
    """The far end gives these answers from now on."""

    def say(self: FarEnd, operation: str, request: bytes) -> tuple[int, bytes]:
        return 200, msgspec.json.encode(answer(operation))

    monkeypatch.setattr(FarEnd, "answer", say)


def test_the_sandbox_is_found_by_its_name() -> None:
    assert find("sandbox") is Sandbox


def test_accounts_of_different_worlds_never_meet(sandbox: Sandbox, far_end: FarEnd, world: str) -> None:
    far_end.place([("MUG", 1)])
    assert next(iter(connected(f"{world}-other").pages(None))).observations == ()
    assert len(next(iter(sandbox.pages(None))).observations) == 1
    FarEnd.forget(f"{world}-other")


def test_levels_fall_with_an_order_and_rise_with_its_cancellation(far_end: FarEnd) -> None:
    number = far_end.place([("MUG", 2), ("PEN", 7)])
    assert far_end.levels() == {("MUG", "east"): 7, ("MUG", "west"): 5, ("PEN", "east"): 0}
    far_end.cancel(number, sku="MUG", quantity=1)
    assert far_end.levels()["MUG", "east"] == 8


def test_a_first_pull_reaches_back_as_far_as_the_settings_say(world: str, far_end: FarEnd) -> None:
    far_end.place([("MUG", 1)])
    later = datetime.now(UTC) + timedelta(hours=1)
    settings = Sandbox.Settings(connector="sandbox", world=world, import_since=later)
    assert [page.observations for page in Sandbox("sandbox", settings).pages(None)] == [()]


def test_overlap_reads_a_stretch_again_and_the_cursor_never_goes_back(sandbox: Sandbox, far_end: FarEnd) -> None:
    for _ in range(3):
        far_end.place([("MUG", 1)])
    last = list(sandbox.pages(None))[-1].cursor
    small = connected(sandbox.settings.world, page_size=1)
    again = list(small.pages(last))
    assert [len(page.observations) for page in again] == [1, 1, 1]
    assert [page.cursor for page in again] == [last] * 3


def test_a_document_that_cannot_be_read_loses_neither_its_page_nor_the_pull(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    documents = [{"number": "S-1", "total": "much"}, 7, {"number": 12}]
    with_answer(sandbox, monkeypatch, lambda _: {"orders": documents, "reached": (now, "S-1"), "more": False})
    [page] = sandbox.pages(None)
    assert page.observations == (
        Observation(number="S-1", body=b'{"number":"S-1","total":"much"}'),
        Observation(number="", body=b"7"),
        Observation(number="", body=b'{"number":12}'),
    )
    for one in page.observations:
        with pytest.raises(BadDocument):
            sandbox.normalize(one.body)


def test_a_far_end_that_promises_more_and_gives_nothing_ends_the_pull(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    with_answer(sandbox, monkeypatch, lambda _: {"orders": [], "reached": (long_ago, ""), "more": True})
    with pytest.raises(Unavailable, match="does not get on"):
        list(sandbox.pages(None))


@pytest.mark.parametrize("page", [{}, {"orders": None}, {"orders": []}, {"error": "later"}, []])
def test_an_answer_without_its_list_is_no_empty_page(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, page: object
) -> None:
    with_answer(sandbox, monkeypatch, lambda _: page)
    with pytest.raises(Unavailable, match="cannot be read"):
        list(sandbox.pages(None))


def test_a_row_the_channel_says_nothing_about_is_pushed_again(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_answer(sandbox, monkeypatch, lambda _: {"results": [{"reference": "a"}]})
    states = {ack.key: ack.state for ack in sandbox.push_levels([level("a"), level("b", "PEN")])}
    assert states == {"a": AckState.APPLIED, "b": AckState.RETRY}


def test_an_error_code_nobody_knows_is_refused_and_named(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    with_answer(sandbox, monkeypatch, lambda _: {"results": [{"reference": "a", "error": "moon_phase"}]})
    [ack] = sandbox.push_levels([level("a")])
    assert (ack.state, "moon_phase; look it up" in ack.reason) == (AckState.REFUSED, True)


def test_levels_taken_for_later_are_settled_when_their_time_has_come(sandbox: Sandbox, far_end: FarEnd) -> None:
    far_end.asynchronous = True
    acks = list(sandbox.push_levels([level("a"), level("b", "GONE")]))
    tickets = {ack.key: ack.ticket for ack in acks}
    assert list(sandbox.settle(tickets)) == [], "not yet"
    assert far_end.levels()["MUG", "east"] == 9
    far_end.let_time_pass()
    assert {ack.key: ack.state for ack in sandbox.settle(tickets)} == {"a": AckState.APPLIED, "b": AckState.REFUSED}
    assert far_end.levels()["MUG", "east"] == 4


def test_a_feed_the_channel_has_forgotten_is_sent_again(sandbox: Sandbox) -> None:
    [ack] = sandbox.settle({"a": "feed-99"})
    assert ack.state is AckState.RETRY


def test_large_batches_are_cut_to_what_the_channel_takes(sandbox: Sandbox, far_end: FarEnd) -> None:
    for at in range(120):
        far_end.offer(f"SKU-{at}", {"east": 1})
    acks = list(sandbox.push_levels([level(str(at), f"SKU-{at}") for at in range(120)]))
    assert {ack.state for ack in acks} == {AckState.APPLIED}
    assert len(acks) == 120
    assert [len(batch) for batch in pushes.batches(range(120))] == [50, 50, 20]


def test_a_status_nobody_knows_holds_the_order(sandbox: Sandbox, far_end: FarEnd) -> None:
    body = sandbox.fetch(far_end.place([("MUG", 1)])).body
    held = sandbox.normalize(body.replace(b'"status":"open"', b'"status":"levitating"'))
    assert held.holds == (Hold.UNKNOWN_STATUS,)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (b'"ordered":2', b'"ordered":0'),
        (b'"ordered":2', b'"ordered":2147483648'),
        (b'"ordered":2', b'"ordered":"2"'),
        (b'"cancelled":0', b'"cancelled":3'),
        (b'"price":"10.00"', b'"price":"NaN"'),
        (b'"price":"10.00"', b'"price":"0.0000001"'),
        (b'"price":"10.00"', b'"price":"1000000000000"'),
        (b'"currency":"USD"', b'"currency":"usd"'),
    ],
)
def test_what_no_order_can_hold_is_a_bad_document_that_names_its_place(
    sandbox: Sandbox, far_end: FarEnd, right: bytes, wrong: bytes
) -> None:
    body = sandbox.fetch(far_end.place([("MUG", 2)])).body
    assert right in body
    with pytest.raises(BadDocument, match=r"\$\.(lines\[0\]|currency)"):
        sandbox.normalize(body.replace(right, wrong))


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({**REFUND, "shipping": "2.00"}, "key_used"),
        ({**REFUND, "key": "l", "shipping": "1000.00"}, "more_than_paid"),
        ({**REFUND, "key": "l", "lines": {"L9": {"units": 1, "amount": "1.00", "tax": "0"}}}, "no_such_units"),
        ({**REFUND, "key": "l", "lines": {"L1": {"units": 3, "amount": "1.00", "tax": "0"}}}, "no_such_units"),
    ],
)
def test_the_far_end_gives_no_money_it_should_not(far_end: FarEnd, request_: object, code: str) -> None:
    far_end.place([("MUG", 2)])
    assert far_end.answer("refund", msgspec.json.encode(REFUND))[0] == 200
    status, body = far_end.answer("refund", msgspec.json.encode(request_))
    assert (status, msgspec.json.decode(body)) == (409, {"error": code})
    assert [str(refund.amount) for refund in far_end.refunds()] == ["1.00"]


def test_the_far_end_itself_knows_no_repeat_of_a_cancellation(far_end: FarEnd) -> None:
    number = far_end.place([("MUG", 3)])
    for _ in range(2):
        assert far_end.answer("cancel", b'{"order":"S-1001","lines":{"L1":1},"reason":"buyer"}')[0] == 200
    assert far_end.truths()[number].cancelled == {"MUG": 2}
    assert far_end.levels()["MUG", "east"] == 8


@pytest.mark.parametrize(
    "refund",
    [
        b'{"number":"R-1","at":"2026-01-01T00:00:00Z","amount":"0.00","lines":{}}',
        b'{"number":"R-1","at":"2026-01-01T00:00:00Z","amount":"-1.00","lines":{}}',
        b'{"number":"R-1","at":"2026-01-01T00:00:00","amount":"1.00","lines":{}}',
        b'{"number":"R-1","at":"2026-01-01T00:00:00Z","amount":"1.00","lines":{}},'
        b'{"number":"R-1","at":"2026-01-01T00:00:00Z","amount":"2.00","lines":{}}',
    ],
)
def test_a_refund_that_cannot_be_is_a_bad_document(sandbox: Sandbox, far_end: FarEnd, refund: bytes) -> None:
    body = sandbox.fetch(far_end.place([("MUG", 2)])).body
    with pytest.raises(BadDocument, match=r"\$\.refunds"):
        sandbox.normalize(body.replace(b'"refunds":[]', b'"refunds":[' + refund + b"]"))


def test_the_same_seed_gives_the_same_bad_day(sandbox: Sandbox, far_end: FarEnd) -> None:
    def day(seed: int) -> list[bool]:
        far_end.fail("unavailable", chance=0.5, seed=seed)
        outcomes = []
        for _ in range(20):
            status, _ = far_end.answer("listings", b'{"after":"","limit":1}')
            outcomes.append(status == 200)
        return outcomes

    assert day(1) == day(1)
    assert day(1) != day(2)
    assert {True, False} <= set(day(1))


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("orders", {"after": ["2026-01-01T00:00:00Z", ""], "limit": 201}),
        ("orders", {"after": ["2026-01-01T00:00:00Z", ""], "limit": 5, "status": "open"}),
        ("acknowledge", {"numbers": []}),
        ("acknowledge", {"numbers": ["S-1"] * 51}),
        ("ship", {"order": "S-1"}),
        ("ship", {"order": "S-1001", "key": "p", "tracking": "T", "carrier": "UPS", "lines": {}}),
        ("ship", {"order": "S-1001", "key": "p", "tracking": "T", "carrier": "UPS", "lines": {"L1": 0}}),
        ("cancel", {"order": "S-1001", "lines": {}, "reason": "other"}),
        ("cancel", {"order": "S-1001", "lines": {"L1": -1}, "reason": "other"}),
        ("cancel", {"order": "S-1001", "lines": {"L1": 1}, "reason": "OTHER"}),
        ("refund", {**REFUND, "reason": "why not"}),
        ("refund", {**REFUND, "currency": "EUR"}),
        ("refund", {**REFUND, "shipping": "-1.00"}),
        ("refund", {**REFUND, "shipping": "0.001"}),
        ("refund", {**REFUND, "shipping": "NaN"}),
        ("refund", {**REFUND, "shipping": "0.00"}),
        ("refund", {**REFUND, "note": "sorry"}),
        ("levels", {"rows": [{"reference": "a", "sku": "MUG", "place": "east", "quantity": 1.5, "expected": None}]}),
        (
            "levels",
            {"rows": [{"reference": r, "sku": "M", "place": "e", "quantity": 1, "expected": None} for r in "ab"]},
        ),
    ],
)
def test_the_far_end_refuses_what_a_client_should_not_send(
    sandbox: Sandbox, far_end: FarEnd, operation: str, request_: object
) -> None:
    far_end.place([("MUG", 2)])
    assert far_end.answer(operation, msgspec.json.encode(request_))[0] == 400
    with pytest.raises(Rejected):
        sandbox._ask(operation, request_, dict)


def test_the_sandbox_too_is_never_asked_inside_a_transaction(sandbox: Sandbox) -> None:
    with transaction(), pytest.raises(RuntimeError, match="inside a database transaction"):
        list(sandbox.pages(None))
