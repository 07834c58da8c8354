"""Walmart's shipping methods, and what people call them."""

from __future__ import annotations

from typing import Final

METHODS: Final = ("Standard", "Express", "OneDay", "Freight", "WhiteGlove", "Value")
"""The method codes Walmart takes on a shipment."""


def _plain(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))


_METHODS: Final = {_plain(name): name for name in METHODS} | {
    "expedited": "Express",
    "overnight": "OneDay",
    "nextday": "OneDay",
    "ground": "Standard",
    "economy": "Value",
}


def method(service: str, ordered: str) -> str:
    """Walmart's method for a shipment: its own service where that is one, else what the order asked for."""
    return _METHODS.get(_plain(service)) or _METHODS.get(_plain(ordered)) or "Standard"
