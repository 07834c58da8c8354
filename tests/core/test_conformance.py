"""The contract suite itself: a sound connector passes, and whoever breaks one promise is caught by its one test."""

from __future__ import annotations

import itertools
import unittest
from collections.abc import Iterator
from typing import ClassVar

import pytest
from pydantic import SecretStr

from connectors.sandbox import FarEnd, Sandbox
from core.conformance import Conformance
from core.conformance import FarEnd as AnyFarEnd
from core.connector import Ability, Connector
from tests.core.broken import (
    BROKEN,
    believing,
    cancelling,
    correcting,
    documents,
    hinting,
    looking,
    overlooking,
    past,
    reading,
    refunding,
    stock,
    telling,
    voiding,
)

PROMISES = sorted(name for name in dir(Conformance) if name.startswith("test_"))
LISTING = (believing, cancelling, correcting, documents, hinting, looking, overlooking, past, reading, refunding)
assert all((*LISTING, stock, telling, voiding)), "imported for what they list in BROKEN"

_worlds = (f"conformance-{number}" for number in itertools.count())


@pytest.fixture
def world() -> Iterator[str]:
    name = next(_worlds)
    yield name
    FarEnd.forget(name)


def far_end_of(world: str, *, asynchronous: bool = False) -> FarEnd:
    far_end = FarEnd.named(world)
    far_end.asynchronous = asynchronous
    for sku in ("MUG", "PEN", "CAP"):
        far_end.offer(sku, {"east": 500, "west": 600})
    far_end.keep("MUG", 7, 5)
    return far_end


def connector_of(world: str, kind: type[Sandbox] = Sandbox) -> Sandbox:
    # No overlap and pages of two: whatever is lost between two pages shows.
    keys = {"connector": "sandbox", "world": world, "page_size": 2, "signing_secret": SecretStr("sandbox")}
    return kind("sandbox", kind.Settings(**keys, overlap_seconds=0))


class SandboxConformance(Conformance):
    states: ClassVar[tuple[str, ...]] = ("$.status",)


class TestSandbox(SandboxConformance):
    @pytest.fixture(params=[False, True], ids=["at-once", "later"])
    def far_end(self, world: str, request: pytest.FixtureRequest) -> AnyFarEnd:
        return far_end_of(world, asynchronous=request.param)

    @pytest.fixture
    def connector(self, world: str, far_end: AnyFarEnd) -> Connector:
        return connector_of(world)


class TestSandboxWithOverlap(SandboxConformance):
    @pytest.fixture
    def far_end(self, world: str) -> AnyFarEnd:
        return far_end_of(world)

    @pytest.fixture
    def connector(self, world: str, far_end: AnyFarEnd) -> Connector:
        keys = {"connector": "sandbox", "world": world, "page_size": 2, "signing_secret": SecretStr("sandbox")}
        return Sandbox("sandbox", Sandbox.Settings(**keys))


def kept(promise: str, kind: type[Sandbox], *, asynchronous: bool = False) -> bool:
    """Whether a connector passes one test of the suite, on a world of its own."""
    world = next(_worlds)
    try:
        getattr(SandboxConformance(), promise)(connector_of(world, kind), far_end_of(world, asynchronous=asynchronous))
    except unittest.SkipTest:
        raise
    except Exception:  # noqa: BLE001 - whatever ends a test is a failure of it
        return False
    finally:
        FarEnd.forget(world)
    return True


@pytest.mark.parametrize(("promise", "kind", "asynchronous"), BROKEN, ids=[kind.__name__ for _, kind, _ in BROKEN])
def test_a_broken_connector_is_caught_by_the_test_of_its_promise_and_no_other(
    promise: str, kind: type[Sandbox], asynchronous: bool
) -> None:
    caught = [name for name in PROMISES if not kept(name, kind, asynchronous=asynchronous)]
    assert caught == [promise]


def test_every_promise_has_a_connector_that_breaks_it() -> None:
    assert sorted({promise for promise, _, _ in BROKEN}) == PROMISES


class _LacksEverything(Sandbox):
    abilities = frozenset[Ability]()
    absent = dict.fromkeys(Ability, "this channel only sells")

    def _refuse(self, *_: object) -> Iterator[None]:
        raise RuntimeError("an absent ability is not called")

    acknowledge = push_tracking = push_levels = settle = read_levels = listings = _refuse  # type: ignore[assignment]
    push_voids = push_cancellations = push_refunds = _refuse  # type: ignore[assignment]
    roll_call = backfill = returns = own_stock = normalize_return = _refuse  # type: ignore[assignment]


def test_an_absent_ability_is_never_asked_for() -> None:
    assert [name for name in PROMISES if not kept(name, _LacksEverything)] == []


class _HealthyFarEnd(FarEnd):
    def fail(self, how: str | None, *, chance: float = 1.0, seed: int = 0) -> bool:
        return False


def test_a_far_end_that_cannot_fail_is_said_so(world: str) -> None:
    far_end = _HealthyFarEnd()
    for sku in ("MUG", "PEN", "CAP"):
        far_end.offer(sku, {"east": 500})
    FarEnd._worlds[world] = far_end
    with pytest.raises(unittest.SkipTest, match="cannot be told to have the failure 'unavailable'"):
        Conformance().test_reading_in_an_outage_is_unavailable(connector_of(world), far_end)


def test_pages_too_large_to_test_paging_are_said_so(world: str) -> None:
    far_end = far_end_of(world)
    connector = Sandbox("sandbox", Sandbox.Settings(connector="sandbox", world=world, page_size=100))
    with pytest.raises(AssertionError, match="make the connector's pages smaller"):
        Conformance().test_the_cursor_of_every_page_resumes_without_loss(connector, far_end)


def test_a_pull_that_never_ends_is_caught(world: str) -> None:
    far_end = far_end_of(world)

    class Endless(Sandbox):
        def pages(self, cursor: str | None, *, since: object = None) -> Iterator[object]:  # type: ignore[override]
            return itertools.repeat(next(super().pages(cursor)))

    with pytest.raises(AssertionError, match="a pull ends"):
        Conformance().test_a_pull_yields_every_order(connector_of(world, Endless), far_end)


def test_a_suite_that_names_no_states_is_told_so(world: str) -> None:
    far_end = far_end_of(world)
    with pytest.raises(unittest.SkipTest, match="states"):
        Conformance().test_a_state_nobody_knows_holds_the_order(connector_of(world), far_end)


def test_a_state_that_is_nowhere_in_a_document_is_told(world: str) -> None:
    class Misnamed(Conformance):
        states: ClassVar[tuple[str, ...]] = ("$.state",)

    far_end = far_end_of(world)
    with pytest.raises(AssertionError, match=r"none at .*\$\.state"):
        Misnamed().test_a_state_nobody_knows_holds_the_order(connector_of(world), far_end)
