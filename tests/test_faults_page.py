"""docs/faults.md: every fault and every complaint it lists is proven by tests that are there."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "faults.md"
_ROW = re.compile(r"^\| (?P<key>[^|]+) \| (?P<what>[^|]+) \| (?P<tests>[^|]+) \|$", re.MULTILINE)
_TEST = re.compile(r"`(?P<file>[\w/]+\.py)::(?P<name>\w+)`")

NUMBERED = range(1, 61)
"""HTTP and API, paging and windows of time, the state of orders, stock, acknowledgements and feeds."""


@cache
def rows() -> dict[str, str]:
    """The tests' cell of each row, by its key."""
    return {found["key"].strip(): found["tests"] for found in _ROW.finditer(PAGE.read_text())}


@pytest.mark.parametrize("number", NUMBERED)
def test_every_fault_is_listed(number: int) -> None:
    assert str(number) in rows()


def test_every_row_names_tests() -> None:
    without = [
        key for key, tests in rows().items() if key not in ("Fault", "---", "#", "Theme") and not _TEST.search(tests)
    ]
    assert [key for key in without if not set(key) <= {"-", ":"}] == []


def test_every_test_named_is_there() -> None:
    named = {(found["file"], found["name"]) for found in _TEST.finditer(PAGE.read_text())}
    gone = [
        f"{file}::{name}"
        for file, name in sorted(named)
        if not (ROOT / file).is_file() or not re.search(rf"\bdef {name}\b|\bclass {name}\b", (ROOT / file).read_text())
    ]
    assert gone == []
