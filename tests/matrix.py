"""The test matrix: each connector's abilities, proven by the contract suite, or absent with the channel's reason.

`make matrix` runs the suite of every connector and prints it. It ends with 1 when an ability that a connector declares
has no promise that held, when one did not hold, or when an ability is neither there nor absent.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from core.connector import Ability, find, names

SUITES = {
    "shopify": "tests/connectors/shopify/test_conformance.py",
    "amazon": "tests/connectors/amazon/test_conformance.py",
    "walmart": "tests/connectors/walmart/test_conformance.py",
    "sandbox": "tests/core/test_conformance.py::TestSandbox",
}
"""Where each connector proves the contract."""


class Proofs:
    """A pytest plugin that keeps, for each connector and ability, how many promises held and which did not."""

    def __init__(self) -> None:
        self.held: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.broken: list[str] = []
        self._needs: dict[str, tuple[Ability, ...]] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            self._needs[item.nodeid] = getattr(getattr(item, "function", None), "needs", ())

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self.broken.append(report.nodeid)
        if report.when != "call" or not report.passed:
            return
        connector = next(name for name, suite in SUITES.items() if report.nodeid.startswith(suite))
        for ability in self._needs.get(report.nodeid, ()):
            self.held[connector, ability] += 1


def cell(connector: str, ability: Ability, proofs: Proofs) -> str:
    """What the matrix says of one ability of one connector."""
    kind = find(connector)
    if ability in kind.abilities:
        held = proofs.held[connector, ability]
        return f"works ({held} promises)" if held else "NOT PROVEN"
    return f"absent: {kind.absent[ability]}" if ability in kind.absent else "MISSING"


def main() -> int:
    """Runs the suites and prints the matrix."""
    unsuited = sorted(set(names()) - SUITES.keys())
    if unsuited:
        sys.stderr.write(f"no suite is known of {', '.join(unsuited)}; name it in tests/matrix.py\n")
        return 1
    proofs = Proofs()
    pytest.main(["-q", "--no-header", "-p", "no:cacheprovider", *SUITES.values()], plugins=[proofs])
    table = Table("ability", *SUITES)
    wrong = list(proofs.broken)
    for ability in Ability:
        cells = [cell(name, ability, proofs) for name in SUITES]
        wrong += [f"{name} {ability}: {text}" for name, text in zip(SUITES, cells, strict=True) if text.isupper()]
        wrong += [
            f"{name} {ability}: {text}" for name, text in zip(SUITES, cells, strict=True) if "not do this" in text
        ]
        table.add_row(ability.value, *cells)
    console = Console(width=160)
    console.print(table)
    for one in wrong:
        console.print(f"wrong: {one}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
