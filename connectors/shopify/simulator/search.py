"""Shopify's search syntax, as far as the simulated shop understands it: what it would ignore is refused here."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from connectors.shopify.simulator.cost import refusal
from connectors.shopify.simulator.records import Order
from connectors.shopify.simulator.shop import micros

GID: Final = re.compile(r"gid://shopify/[A-Za-z]+/[0-9]+")
_TERM = re.compile(r"(updated_at|created_at):(>=|>|<=|<)'([^']+)'")
_FIELDS: Final = {"updated_at": "changed", "created_at": "created"}
_SECOND = 1_000_000


class Search:
    """Conditions on instants, all of which have to hold. Shopify compares whole seconds."""

    def __init__(self, query: str) -> None:
        self._terms: list[tuple[str, str, int]] = []
        for term in query.split():
            found = _TERM.fullmatch(term)
            if found is None:
                raise refusal("this simulator searches by updated_at and created_at only", "BAD_REQUEST")
            self._terms.append((found.group(1), found.group(2), _instant(found.group(3))))

    def start(self, field: str) -> tuple[int, str]:
        """The position just before the first order that can be found, where they are sorted by `field`."""
        bounds = [
            (at, "") if sign == ">=" else (at + _SECOND - 1, "~")
            for name, sign, at in self._terms
            if name == field and sign[0] == ">"
        ]
        return max(bounds, default=(-1, ""))

    def finds(self, order: Order) -> bool:
        return all(_holds(getattr(order, _FIELDS[name]) // _SECOND, sign, at) for name, sign, at in self._terms)


def _holds(seconds: int, sign: str, at: int) -> bool:
    bound = at // _SECOND
    return {">=": seconds >= bound, ">": seconds > bound, "<=": seconds <= bound, "<": seconds < bound}[sign]


def _instant(text: str) -> int:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise refusal("Invalid timestamp in the search", "BAD_REQUEST") from None
    if instant.tzinfo is None:
        raise refusal("a timestamp without a zone would be read in the shop's own", "BAD_REQUEST")
    return micros(instant)
