"""A spent budget is a wait that was to be expected: no outage, and nothing else waits with it."""

from __future__ import annotations

from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from core.budgets import Budget, Budgets, read
from core.connector import Connector
from core.credentials import Memory
from core.errors import Throttled, Unavailable
from core.model import Hint, HintKind, Observation, instant
from core.settings import Settings
from core.store.database import Store
from core.sync.connect import Keepers
from core.sync.hear import Heard, hear
from core.sync.round import Outcome
from core.sync.turn import Trouble, turn
from core.sync.work import SECOND
from tests.core.sync.fake import Fake
from tests.core.sync.test_turn import OWN, SETTINGS, health, take_turn, waits
from tests.core.sync.world import START, World, order, page
from tests.passing import passing

SPENT = "the budget of searchOrders is spent"


def throttled(after: float | None = 170.0) -> Throttled:
    return Throttled(SPENT, after=after)


def dear(**more: Any) -> Settings:
    own = OWN.model_copy(update={"poll_seconds": 180, **more})
    return Settings(**{**SETTINGS.__dict__, "channels": {"shop": own}})


def a_turn(world: World, fake: Fake, *pulls: Any, settings: Settings = SETTINGS) -> Outcome | Trouble:
    world.later(200)
    fake.pulls = [list(pulls)]
    return turn(world.store, settings, "shop", now=world.clock, connector=cast(Connector, fake))


def test_a_spent_budget_is_no_outage_and_the_next_pull_is_when_it_is_filled(world: World) -> None:
    take_turn(world, Fake())
    with capture_logs() as lines:
        for _ in range(4):
            outcome = take_turn(world, Fake(), throttled())
            assert isinstance(outcome, Outcome)
            assert (outcome.waits, outcome.wait, outcome.pull_wait) == (SPENT, 170.0, 170.0)
            assert health(world) == ("ok", 0, False)
            assert waits(world) == 170.0
    assert lines == []


def test_a_pull_that_waits_is_no_success(small_world: World) -> None:
    take_turn(small_world, Fake())
    last = small_world.channel_row().last_success
    take_turn(small_world, Fake(), throttled())
    assert small_world.channel_row().last_success == last


def test_what_needs_another_budget_goes_on(small_world: World) -> None:
    world = small_world
    fake = Fake()
    world.item("A", east=5)
    channel = world.channel(fake=fake)
    world.offer(channel, "A")
    outcome = a_turn(world, fake, throttled(), settings=dear())
    assert isinstance(outcome, Outcome)
    assert outcome.levels == 1, "as in a turn between two pulls"


def test_levels_wait_for_a_list_that_was_broken_off(small_world: World) -> None:
    world = small_world
    fake = Fake()
    world.item("A", east=5)
    channel = world.channel(fake=fake)
    world.offer(channel, "A")
    outcome = a_turn(world, fake, page(order("1"), cursor="c1"), throttled(), settings=dear())
    assert isinstance(outcome, Outcome)
    assert (outcome.levels, outcome.pull_wait) == (0, 170.0), "units of an order on the next page would be sold again"
    assert world.order("1").number == "1"


def test_what_waits_for_its_budget_wakes_the_channel_when_that_is_filled(small_world: World) -> None:
    world = small_world
    fake = Fake()
    world.item("A", east=5)
    channel = world.channel(fake=fake)
    world.offer(channel, "A")

    def push(levels: Any) -> Any:
        raise Throttled("the budget of patchListingsItem is spent", after=45.0)
        yield

    fake.push_levels = push  # type: ignore[method-assign]
    outcome = a_turn(world, fake, settings=dear())
    assert isinstance(outcome, Outcome)
    assert (outcome.wait, outcome.pull_wait) == (45.0, 0.0)
    assert world.channel_row().wake_at == world.now + 45 * SECOND
    assert waits(world) == 180.0
    assert world.value("SELECT due_at FROM levels") == world.now + 45 * SECOND


def test_a_step_without_rows_of_its_own_wakes_the_channel_too(small_world: World) -> None:
    fake = Fake()
    fake.listings = lambda: iter_raising(Throttled("the budget of searchListingsItems is spent", after=45.0))  # type: ignore[method-assign]
    outcome = a_turn(small_world, fake, settings=dear())
    assert isinstance(outcome, Outcome)
    assert small_world.channel_row().wake_at == small_world.now + 45 * SECOND


def test_other_trouble_is_still_trouble(small_world: World) -> None:
    world = small_world
    fake = Fake()
    fake.listings = lambda: iter_raising(Unavailable("down"))  # type: ignore[method-assign]
    trouble = a_turn(world, fake, throttled())
    assert isinstance(trouble, Trouble)
    assert health(world)[0] == "unavailable"


def iter_raising(error: Exception) -> Any:
    raise error
    yield


def test_a_throttle_that_nobody_knows_the_length_of_is_an_outage(small_world: World) -> None:
    trouble = take_turn(small_world, Fake(), throttled(None))
    assert isinstance(trouble, Trouble)
    assert not trouble.parked


def test_waiting_for_more_than_an_hour_is_an_outage(small_world: World) -> None:
    take_turn(small_world, Fake(), page(order("1")))
    assert isinstance(take_turn(small_world, Fake(), throttled()), Outcome)
    small_world.later(3700)
    trouble = take_turn(small_world, Fake(), throttled())
    assert isinstance(trouble, Trouble)
    assert trouble.reason == f"{SPENT}, and no orders were taken in for an hour; tried again by itself"
    assert health(small_world) == ("unavailable", 1, True)


# What is left, written down.


def keepers(store: Store) -> Keepers:
    return Keepers(store, SETTINGS.store)


def test_what_a_turn_left_of_its_budgets_is_where_the_next_process_begins(world: World) -> None:
    mine = keepers(world.store)
    budgets = mine.of("shop").budgets.plan({"orders": Budget(0.001, 5)})
    for _ in range(3):
        budgets.take("orders")
    turn(world.store, SETTINGS, "shop", now=world.clock, connector=cast(Connector, Fake()), keepers=mine)
    assert read(world.channel_row().budgets)["orders"].left == pytest.approx(2.0, abs=0.01)
    other = keepers(world.store).of("shop").budgets.plan({"orders": Budget(0.001, 5)})
    assert [other.take("orders") == 0 for _ in range(3)] == [True, True, False]
    turn(world.store, SETTINGS, "shop", now=world.clock, connector=cast(Connector, Fake()))
    assert read(world.channel_row().budgets)["orders"].left == pytest.approx(2.0, abs=0.01), "nothing new to say"


def test_a_turn_that_failed_writes_it_down_too(small_world: World) -> None:
    mine = keepers(small_world.store)
    mine.of("shop").budgets.plan({"orders": Budget(1.0, 5)}).take("orders")
    fake = Fake(pulls=[[Unavailable("down")]])
    turn(small_world.store, SETTINGS, "shop", now=small_world.clock, connector=cast(Connector, fake), keepers=mine)
    assert "orders" in read(small_world.channel_row().budgets)


def test_everything_that_speaks_for_an_account_has_one_keeper(small_world: World) -> None:
    mine = keepers(small_world.store)
    assert mine.of("shop") is mine.of("shop")
    assert mine.of("shop").budgets is not mine.of("other").budgets


def test_a_dear_list_is_asked_sooner_while_orders_come(small_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = keepers(small_world.store)
    budgets = mine.of("shop").budgets.plan({"searchOrders": Budget(0.0056, 20)})
    budgets.pulling = "searchOrders"

    passed = passing(monkeypatch)

    def until_next(*pulls: Any) -> float:
        small_world.later(400)
        passed.later(400)
        fake = Fake(pulls=[list(pulls)])
        turn(small_world.store, dear(), "shop", now=small_world.clock, connector=cast(Connector, fake), keepers=mine)
        return waits(small_world)

    assert until_next() == pytest.approx(188, abs=1)
    assert until_next(page(order("1"))) == pytest.approx(30, abs=1)
    assert until_next() == pytest.approx(30, abs=1), "orders that came a moment ago are followed by others"
    assert [until_next() for _ in range(2)][1] == pytest.approx(188, abs=1)


@pytest.mark.parametrize(("told", "sooner"), [(40, True), (4, False)])
def test_more_orders_told_of_than_can_be_looked_at_bring_the_next_list_forward(
    small_world: World, monkeypatch: pytest.MonkeyPatch, told: int, sooner: bool
) -> None:
    mine = keepers(small_world.store)
    budgets = mine.of("shop").budgets.plan({"searchOrders": Budget(0.0056, 20), "getOrder": Budget(0.5, 30)})
    budgets.pulling, budgets.fetching = "searchOrders", "getOrder"
    passing(monkeypatch).later(400)
    budgets.take("getOrder", 25)
    fake = Fake()

    def a_turn() -> float:
        turn(small_world.store, dear(), "shop", now=small_world.clock, connector=cast(Connector, fake), keepers=mine)
        return waits(small_world)

    small_world.later(400)
    assert a_turn() == pytest.approx(188, abs=1)
    due = small_world.channel_row().next_due
    hints = [Hint(id=str(n), kind=HintKind.ORDER, at=instant(START), order=str(n)) for n in range(told)]
    hear(small_world.store, {"shop": Heard(hints=hints)}, small_world.now)
    small_world.later(3)
    monkeypatch.setattr(fake, "fetch", _spent)
    wait = a_turn()
    assert fake.calls.count("pages") == 1, "a turn for hints is none of the clock's"
    assert wait == pytest.approx(30, abs=1) if sooner else small_world.channel_row().next_due == due


def _spent(number: str) -> Observation:
    raise throttled(60.0)


def test_a_keeper_in_memory_has_budgets_of_its_own() -> None:
    given = Budgets()
    assert Memory(given).budgets is given
    assert Memory().budgets is not Memory().budgets
