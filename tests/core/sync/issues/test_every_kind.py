"""Every kind of issue comes with its cause, once, and goes with it by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.sandbox_warehouse import Yard
from core.sync.issues import KINDS, Issue
from tests.core.sync.issues.causes import CAUSES
from tests.core.sync.issues.seen import of, seen
from tests.core.sync.world import World


@pytest.fixture
def no_yard() -> Iterator[None]:
    yield
    Yard.forget("depot")


def shown(world: World, kind: str, looked_at: dict[str, Any]) -> list[Issue]:
    more = dict(looked_at)
    return of(seen(world, *more.pop("channels"), **more), kind)


@pytest.mark.usefixtures("no_yard")
@pytest.mark.parametrize("kind", [kind.name for kind in KINDS])
def test_a_kind_comes_once_and_goes_with_its_cause(world: World, kind: str) -> None:
    steps = CAUSES[kind](world)
    assert shown(world, kind, next(steps)) == [], "before its cause"
    found = shown(world, kind, next(steps))
    assert len(found) == 1, f"{len(found)} with its cause"
    assert found[0].cause
    assert shown(world, kind, next(steps)) == [], "its cause is gone"
    assert next(steps, None) is None


def test_each_kind_has_its_row_in_the_docs_and_no_other_has() -> None:
    page = Path(__file__).parents[4] / "docs" / "issues.md"
    rows = [row.split("`")[1] for row in page.read_text().splitlines() if row.startswith("| `")]
    assert sorted(rows) == sorted(kind.name for kind in KINDS)
    assert CAUSES.keys() == {kind.name for kind in KINDS}
