"""Connectors that each break one promise of the contract, and are sound in everything else.

`BROKEN` lists them with the name of the one test of the suite that must catch them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from connectors.sandbox import Sandbox

Kind = TypeVar("Kind", bound=type[Sandbox])

BROKEN: list[tuple[str, type[Sandbox], bool]] = []
"""The test that must catch it, the connector, and whether its far end takes levels for later."""


def breaks(test: str, *, asynchronous: bool = False) -> Callable[[Kind], Kind]:
    """Lists a connector as the one that breaks this test's promise."""

    def enlist(kind: Kind) -> Kind:
        BROKEN.append((test, kind, asynchronous))
        return kind

    return enlist
