"""What the suite needs of a warehouse: its people, its shelves, the passing of time, and bad days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from core.model import Call


class Order(Protocol):
    """One piece of work as the warehouse has it."""

    @property
    def lines(self) -> Mapping[str, int]:
        """Units it may still send or has sent, by SKU; what was called back or declined is not among them."""
        ...

    @property
    def times(self) -> int:
        """How often the warehouse would do it."""
        ...

    @property
    def postal_code(self) -> str: ...


class Yard(Protocol):
    """The warehouse as everyone but the connector sees it. Units are by SKU."""

    @property
    def skus(self) -> Sequence[str]:
        """At least two that it knows."""
        ...

    @property
    def place(self) -> str:
        """Its own id of the location, as the connector's settings name it."""
        ...

    def works(self) -> Mapping[str, Order]:
        """All work that arrived, by our key."""
        ...

    def accept(self, key: str) -> None:
        """It takes work up. Of warehouses that tell so."""
        ...

    def decline(self, key: str, units: Mapping[str, int] | None, reason: str) -> None:
        """It will not do work, or not these units of it. Of warehouses that tell so."""
        ...

    def send(self, key: str, parcels: Sequence[tuple[str, Mapping[str, int]]]) -> None:
        """Parcels leave: (tracking number, units)."""
        ...

    def count(self, units: Mapping[str, int]) -> None:
        """It counts shelves, now. Of warehouses that tell so."""
        ...

    def adjust(self, sku: str, change: int, reason: str) -> None:
        """Units come or go other than by work. Of warehouses that tell so."""
        ...

    def garble(self) -> bool:
        """It tells something nobody can read. False: it cannot be made to."""
        ...

    def let_time_pass(self) -> None:
        """Whatever waits for its time has happened afterwards."""
        ...

    def fail(self, how: str | None) -> bool:
        """From now on this `core.conformance.Failure`; None ends it. False, and nothing changed: it cannot."""
        ...

    def call(self, *, forged: bool = False, stale: bool = False) -> Call:
        """The request by which it tells of everything that happened, as it would arrive now. Of those that call."""
        ...
