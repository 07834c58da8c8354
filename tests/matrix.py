"""The test matrix: each connector's abilities, proven by the contract suite, or absent with the channel's reason.

`make matrix` runs the suite of every connector, of channels and of warehouses, and prints both. It ends with 1 when an
ability that a connector declares has no promise that held, when one did not hold, or when an ability is neither there
nor absent.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from core import warehouse
from core.connector import Ability, find, names
from core.warehouse import Deed

SUITES = {
    "shopify": "tests/connectors/shopify/test_conformance.py",
    "amazon": "tests/connectors/amazon/test_conformance.py",
    "walmart": "tests/connectors/walmart/test_conformance.py",
    "sandbox": "tests/core/test_conformance.py::TestSandbox",
}
"""Where each connector proves the contract."""

WAREHOUSES = {
    "amazon_mcf": "tests/connectors/mcf/test_mcf.py::TestMcf",
    "filedrop": "tests/connectors/filedrop/test_conformance.py",
    "http": "tests/connectors/webhook/test_webhook.py::TestWebhook",
    "shipstation": "tests/connectors/shipstation/test_shipstation.py::TestShipStation",
    "sandbox": "tests/core/warehouses/test_conformance.py::TestSandboxWarehouse",
}
"""Where each warehouse connector does."""


class Proofs:
    """A pytest plugin that keeps, for each connector and ability, how many promises held and which did not."""

    def __init__(self) -> None:
        self.held: defaultdict[tuple[str, str], int] = defaultdict(int)
        """By a connector's name, or a warehouse connector's after a slash, and the ability."""
        self.broken: list[str] = []
        self._needs: dict[str, tuple[Ability | Deed, ...]] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            self._needs[item.nodeid] = getattr(getattr(item, "function", None), "needs", ())

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self.broken.append(report.nodeid)
        if report.when != "call" or not report.passed:
            return
        suites = SUITES | {f"/{name}": suite for name, suite in WAREHOUSES.items()}
        connector = next(name for name, suite in suites.items() if report.nodeid.startswith(suite))
        for ability in self._needs.get(report.nodeid, ()):
            self.held[connector, ability] += 1


def cell(connector: str, ability: Ability | Deed, proofs: Proofs) -> str:
    """What the matrix says of one ability of one connector, or of one deed of a warehouse's."""
    of_house = isinstance(ability, Deed)
    kind: Any = warehouse.find(connector) if of_house else find(connector)
    if ability in kind.abilities:
        held = proofs.held[f"/{connector}" if of_house else connector, ability]
        return f"works ({held} promises)" if held else "NOT PROVEN"
    return f"absent: {kind.absent[ability]}" if ability in kind.absent else "MISSING"


def print_table(title: str, names: Sequence[str], abilities: Iterable[Ability | Deed], proofs: Proofs) -> list[str]:
    """Prints one matrix; returns what is wrong with it."""
    table = Table(title, *names)
    wrong = []
    for ability in abilities:
        cells = [cell(name, ability, proofs) for name in names]
        told = [f"{name} {ability}: {text}" for name, text in zip(names, cells, strict=True)]
        wrong += [one for one, text in zip(told, cells, strict=True) if text.isupper() or "not do this" in text]
        table.add_row(ability.value, *cells)
    Console(width=160).print(table)
    return wrong


def main() -> int:
    """Runs the suites and prints the matrices."""
    unsuited = sorted({*(set(names()) - SUITES.keys()), *(set(warehouse.known()) - WAREHOUSES.keys())})
    if unsuited:
        sys.stderr.write(f"no suite is known of {', '.join(unsuited)}; name it in tests/matrix.py\n")
        return 1
    proofs = Proofs()
    pytest.main(
        ["-q", "--no-header", "-p", "no:cacheprovider", *SUITES.values(), *WAREHOUSES.values()], plugins=[proofs]
    )
    wrong = list(proofs.broken)
    wrong += print_table("ability", list(SUITES), Ability, proofs)
    wrong += print_table("deed", list(WAREHOUSES), Deed, proofs)
    for one in wrong:
        Console(width=160).print(f"wrong: {one}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
