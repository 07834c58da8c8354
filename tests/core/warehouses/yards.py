"""The sandbox's yard as the suite of warehouses sees one, and connectors to it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from connectors.sandbox_warehouse import SandboxWarehouse, Yard
from core.model import Call
from core.warehouse import Deed
from tests.declared import absent

_names = (f"yard-{number}" for number in itertools.count())


@dataclass(frozen=True)
class There:
    """One piece of work as the yard has it."""

    lines: Mapping[str, int]
    postal_code: str
    times: int = 1


class SandboxYard:
    """Units by SKU, as the suite says them, in the yard's own words: by line number."""

    skus = ("MUG", "PEN", "CAP")
    place = "E"

    def __init__(self, name: str) -> None:
        self.own = Yard.named(name)
        self.own.unknown.add("GHOST")

    def works(self) -> Mapping[str, There]:
        return {
            key: There(
                {work.skus[number]: work.asked[number] - work.off[number] for number in work.asked},
                work.ship_to["postal_code"],
            )
            for key, work in self.own.works().items()
        }

    def accept(self, key: str) -> None:
        self.own.accept(key)

    def decline(self, key: str, units: Mapping[str, int] | None, reason: str) -> None:
        self.own.decline(key, None if units is None else self._by_line(key, units), reason=reason)

    def send(self, key: str, parcels: Sequence[tuple[str, Mapping[str, int]]]) -> None:
        self.own.send(key, [(tracking, self._by_line(key, units)) for tracking, units in parcels])

    def count(self, units: Mapping[str, int]) -> None:
        self.own.count(self.place, units)

    def adjust(self, sku: str, change: int, reason: str) -> None:
        self.own.adjust(self.place, sku, change, reason)

    def garble(self) -> bool:
        self.own.garble()
        return True

    def let_time_pass(self) -> None:
        for key in list(self.own._recalls) if self.own.slow else ():
            if not self.own._outcomes[key].get("told"):
                self.own._outcomes[key]["told"] = True
                one = self.own._recalls[key]
                work = self.own.works()[one.work]
                self.own.answer_recall(key, done=all(work.open(n) >= units for n, units in one.lines.items()))

    def fail(self, how: str | None) -> bool:
        return self.own.fail(how)

    def call(self, *, forged: bool = False, stale: bool = False) -> Call:
        raise absent(SandboxWarehouse.absent, Deed.CALLS)

    def _by_line(self, key: str, units: Mapping[str, int]) -> dict[str, int]:
        numbers = {sku: number for number, sku in self.own.works()[key].skus.items()}
        return {numbers[sku]: count for sku, count in units.items()}


@contextmanager
def yard(*, slow: bool = False) -> Iterator[SandboxYard]:
    """A fresh yard; slow ones answer recalls later."""
    name = next(_names)
    made = SandboxYard(name)
    made.own.slow = slow
    made.name = name  # type: ignore[attr-defined]
    try:
        yield made
    finally:
        Yard.forget(name)


def warehouse(made: SandboxYard, kind: type[SandboxWarehouse] = SandboxWarehouse) -> SandboxWarehouse:
    # Pages of two: whatever is lost between two pages shows.
    keys = {"connector": "sandbox", "yard": made.name, "page_size": 2}  # type: ignore[attr-defined]
    return kind("sandbox", kind.Settings(**keys))
