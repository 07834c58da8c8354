"""Counts as people say them."""

from __future__ import annotations

from core.commands import show
from core.plurals import are, many


def test_one_is_told_as_one() -> None:
    assert [many(count, "unit") for count in (0, 1, 2)] == ["0 units", "1 unit", "2 units"]
    assert [many(count, "push") for count in (1, 2)] == ["1 push", "2 pushes"]
    assert [are(count) for count in (0, 1, 2)] == ["are", "is", "are"]


def test_counts_name_what_they_count() -> None:
    named = {"push(s) due": 2, "level(s) due": 1, "hold(s) lifted": 0, "held": 3}
    assert show.counts(named) == "2 pushes due, 1 level due, 3 held"
