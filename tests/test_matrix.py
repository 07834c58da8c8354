"""The matrix of abilities: every one is there or absent with a reason that is the channel's, and proven where it is."""

from __future__ import annotations

import pytest

from core import warehouse
from core.conformance import Conformance
from core.conformance.warehouses import WarehouseConformance
from core.connector import Ability, find, names
from core.warehouse import Deed
from tests.matrix import SUITES, WAREHOUSES, Proofs, cell

REAL = sorted(set(names()) - {"sandbox"})


def test_every_connector_has_a_suite() -> None:
    assert set(SUITES) == set(names())


@pytest.mark.parametrize("name", names())
def test_no_ability_is_missing(name: str) -> None:
    kind = find(name)
    assert kind.abilities | kind.absent.keys() == set(Ability)


@pytest.mark.parametrize("name", REAL)
def test_what_is_absent_is_absent_for_the_channels_reason(name: str) -> None:
    """ "Not yet" is no reason of the channel's."""
    ours = [
        ability for ability, reason in find(name).absent.items() if "yet" in reason or "ordersync does not" in reason
    ]
    assert ours == []


def test_every_ability_has_promises() -> None:
    needed = {
        ability
        for name in dir(Conformance)
        if name.startswith("test_")
        for ability in getattr(getattr(Conformance, name), "needs", ())
    }
    assert needed == set(Ability)


def test_an_ability_without_a_promise_that_held_is_not_proven() -> None:
    proofs = Proofs()
    assert cell("sandbox", Ability.CANCEL, proofs) == "NOT PROVEN"
    proofs.held["sandbox", Ability.CANCEL] = 2
    assert cell("sandbox", Ability.CANCEL, proofs) == "works (2 promises)"
    assert cell("shopify", Ability.ACKNOWLEDGE, proofs).startswith("absent: ")


def test_every_warehouse_connector_has_a_suite_and_says_all_it_does() -> None:
    assert set(WAREHOUSES) == set(warehouse.known())
    for name in warehouse.known():
        kind = warehouse.find(name)
        assert kind.abilities | kind.absent.keys() == set(Deed)


def test_every_deed_has_promises() -> None:
    needed = {
        deed
        for name in dir(WarehouseConformance)
        if name.startswith("test_")
        for deed in getattr(getattr(WarehouseConformance, name), "needs", ())
    }
    assert needed == set(Deed)


def test_a_deed_without_a_promise_that_held_is_not_proven() -> None:
    proofs = Proofs()
    assert cell("sandbox", Deed.RECALL, proofs) == "NOT PROVEN"
    proofs.held["/sandbox", Deed.RECALL] = 1
    assert cell("sandbox", Deed.RECALL, proofs) == "works (1 promises)"
    assert cell("filedrop", Deed.CALLS, proofs).startswith("absent: ")
