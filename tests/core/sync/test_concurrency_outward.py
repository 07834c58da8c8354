"""Operators and rounds on one PostgreSQL at the same time: every decision has one effect, and nobody is stopped."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from core.connector import Ability
from core.errors import UserError
from core.model import Ack, AckState, CancelReason
from core.store.database import Store, Tx
from core.sync import correct as correcting
from core.sync import pushes
from core.sync.cancel import Decision, cancel
from core.sync.correct import Correction, correct
from core.sync.push import push_cancellations, push_tracking
from core.sync.pushes import drop, retry
from core.sync.ship import Departure, ship
from core.sync.take_in import take_in
from core.sync.verify import verify
from tests.core.sync.fake import SIMPLE, Fake
from tests.core.sync.test_concurrency import at_once, retried  # noqa: F401 - a fixture
from tests.core.sync.world import World, check, line, order, page

pytestmark = pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)

ORDERS = 30


@pytest.fixture
def play(store: Store) -> World:
    world = World(store)
    world.item("A", east=400)
    world.item("B", east=400)
    return world


def test_operators_and_rounds_never_stop_each_other(play: World, retried: list[str]) -> None:  # noqa: F811
    world, store = play, play.store
    refuse = random.Random(5)

    def answer(pushed: Any) -> Ack:
        if refuse.random() < 0.2:
            return Ack(key=pushed.key, state=AckState.REFUSED, reason="not now; retry it")
        return Ack(key=pushed.key, state=AckState.APPLIED)

    fake = Fake(abilities=SIMPLE | {Ability.CANCEL, Ability.CORRECT_TRACKING}, answer=answer)
    shop = world.channel(fake=fake)
    numbers = [str(number) for number in range(ORDERS)]
    world.take(shop, *(order(number, line(1, "A", 4), line(2, "B", 2)) for number in numbers))
    ids = {number: world.order(number).id for number in numbers}
    done = random.Random(1)

    def rounds() -> None:
        for step in range(2, 12):
            now = world.now + step * 60_000_000
            push_cancellations(store, shop, lambda now=now: now)  # type: ignore[misc]
            push_tracking(store, shop, lambda now=now: now)  # type: ignore[misc]
            seen = [_as_the_channel_has_it(fake, number, step) for number in done.sample(numbers, 10)]
            take_in(store, shop, page(*seen), world.now + step, world.now + step)

    def operators(seed: int, act: Callable[[random.Random], object]) -> Callable[[], None]:
        choice = random.Random(seed)

        def work() -> None:
            for _ in range(40):
                with suppress(UserError):
                    act(choice)

        return work

    def call_off(choice: random.Random) -> None:
        units = {choice.choice("AB"): 1}
        cancel(store, Decision(ids[choice.choice(numbers)], CancelReason.OTHER, units), world.now)

    def send(choice: random.Random) -> None:
        number = choice.choice(numbers)
        tracking = f"T{number}-{choice.randrange(10**6)}"
        ship(store, Departure(ids[number], "east", "UPS", tracking, world.now, {choice.choice("AB"): 1}), world.now)

    def mend(choice: random.Random) -> None:
        parcels = world.rows("SELECT order_id, tracking FROM shipments WHERE origin = 'operator' ORDER BY id")
        if parcels:
            row = choice.choice(parcels)
            correct(store, Correction(row.order_id, row.tracking, f"C{choice.randrange(10**9)}"), world.now)

    def decide(choice: random.Random) -> None:
        refused = world.rows("SELECT id FROM pushes WHERE state IN ('refused', 'queued') ORDER BY id")
        if refused:
            push = choice.choice(refused).id
            if choice.random() < 0.5:
                retry(store, push, world.now)
            else:
                drop(store, push, "no", world.now)

    at_once([rounds, operators(1, call_off), operators(2, call_off), operators(3, send), operators(4, mend),
             operators(5, decide)])  # fmt: skip
    assert retried == []
    check(store)
    assert verify(store) == []
    sent: dict[str, Any] = {}
    for told in fake.cancelled:
        assert sent.setdefault(told.key, told) == told, "one key, the same words"
    assert world.value("SELECT count(DISTINCT kind) FROM pushes") == 2


def _as_the_channel_has_it(fake: Fake, number: str, version: int) -> Any:
    """The order as the fake channel, which does what it is told, would show it: the cancelled units so far."""
    cancelled = {"1": 0, "2": 0}
    for told in list(fake.cancelled):
        if told.order == number:
            for of, units in told.lines.items():
                cancelled[of] = max(cancelled[of], told.before.get(of, 0) + units)
    lines = (line(1, "A", 4, cancelled=min(4, cancelled["1"])), line(2, "B", 2, cancelled=min(2, cancelled["2"])))
    return order(number, *lines, version=version)


def test_what_is_dropped_or_corrected_while_it_is_being_taken_is_not_sent_as_it_was(
    play: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look for what is due and its being marked as sent, operators drop one and correct another."""
    world, store = play, play.store
    fake = Fake(abilities=SIMPLE | {Ability.CANCEL, Ability.CORRECT_TRACKING})
    shop = world.channel(fake=fake)
    world.take(shop, *(order(number, line(1, "A", 2)) for number in "12"))
    first = cancel(store, Decision(world.order("1").id, CancelReason.OTHER), world.now)
    world.ship("2", tracking="T1")
    monkeypatch.setattr(pushes, "poke", lambda store, ids: None)  # it would wait for the very turn that waits for it
    monkeypatch.setattr(correcting, "poke", lambda store, ids: None)
    meanwhile: list[Callable[[], object]] = []
    rows = Tx.rows

    def watched(self: Tx, sql: str, **params: Any) -> Any:
        found = rows(self, sql, **params)
        if "LIMIT :batch" in sql and found and meanwhile:
            with ThreadPoolExecutor(1) as other:
                other.submit(meanwhile.pop()).result(timeout=30)
        return found

    monkeypatch.setattr(Tx, "rows", watched)
    meanwhile.append(lambda: drop(store, first.push, "no", world.now))
    assert push_cancellations(store, shop, world.clock) == 0
    assert fake.cancelled == []
    assert world.counts("1")["reserved"] == 2
    meanwhile.append(lambda: correct(store, Correction(world.order("2").id, "T1", "T2"), world.now))
    assert push_tracking(store, shop, world.clock) == 1
    assert [(told.tracking, told.corrects) for told in fake.shipped] == [("T2", "")]
    assert verify(store) == []
