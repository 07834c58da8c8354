"""The suite of warehouses itself: a sound connector passes, whoever breaks one promise is caught by its one test."""

from __future__ import annotations

import unittest
from collections.abc import Iterator

import pytest

from connectors.sandbox_warehouse import SandboxWarehouse
from core.conformance.warehouses import WarehouseConformance
from core.warehouse import Deed, WarehouseConnector
from tests.core.warehouses.broken import BROKEN
from tests.core.warehouses.yards import SandboxYard, warehouse, yard

CALLING = {name for name in dir(WarehouseConformance) if name.endswith(("_call_tells_its_events", "_forged", "_stale"))}
PROMISES = sorted(name for name in dir(WarehouseConformance) if name.startswith("test_") and name not in CALLING)
"""Those that the sandbox keeps; those of connectors that are called are tested with the one that is."""


class Suite(WarehouseConformance):
    unknown_sku = "GHOST"


class TestSandboxWarehouse(Suite):
    @pytest.fixture(params=[False, True], ids=["at-once", "later"])
    def yard(self, request: pytest.FixtureRequest) -> Iterator[SandboxYard]:
        with yard(slow=request.param) as made:
            yield made

    @pytest.fixture
    def warehouse(self, yard: SandboxYard) -> WarehouseConnector:
        return warehouse(yard)


def kept(promise: str, kind: type[SandboxWarehouse], *, slow: bool = False) -> bool:
    """Whether a connector passes one test of the suite, on a yard of its own."""
    with yard(slow=slow) as made:
        try:
            getattr(Suite(), promise)(warehouse(made, kind), made)
        except unittest.SkipTest:
            raise
        except Exception:  # noqa: BLE001 - whatever ends a test is a failure of it
            return False
    return True


@pytest.mark.parametrize(("promise", "kind", "slow"), BROKEN, ids=[kind.__name__ for _, kind, _ in BROKEN])
def test_a_broken_warehouse_is_caught_by_the_test_of_its_promise_and_no_other(
    promise: str, kind: type[SandboxWarehouse], slow: bool
) -> None:
    assert [name for name in PROMISES if not kept(name, kind, slow=slow)] == [promise]


def test_every_promise_has_a_warehouse_that_breaks_it() -> None:
    assert sorted({promise for promise, _, _ in BROKEN}) == PROMISES


class _LacksEverything(SandboxWarehouse):
    abilities = frozenset[Deed]()
    absent = dict.fromkeys(Deed, "nobody does that there")

    def _refuse(self, *_: object) -> Iterator[None]:
        raise RuntimeError("an absent deed is not asked for")

    release = recall = receive = _refuse  # type: ignore[assignment]


def test_an_absent_deed_is_never_asked_for() -> None:
    assert [name for name in PROMISES if not kept(name, _LacksEverything)] == []
