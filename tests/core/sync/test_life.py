"""The whole life of orders: every operation there is, in any order, and after each of them the store agrees with books
that were kept beside it, every invariant holds, and what was refused has changed nothing at all.

`LIFE=200 pytest tests/core/sync/test_life.py` plays so many lives of 80 steps on each database instead of a few short
ones, none of them the same as at the last run; `LIFE_STEPS` says how long each is. What breaks is told as the shortest
life that breaks it, step by step: at once by itself, and of many lives with `LIFE_SHRINK=1`.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.internal.conjecture import providers
from hypothesis.stateful import run_state_machine_as_test

from core.store import tables
from core.store.database import Store, connect
from tests.core.sync.life.channels import Channels
from tests.core.sync.life.offers import Offers
from tests.core.sync.life.stories import Stories


class Life(Channels, Offers, Stories):
    """All of it, in any order."""


@pytest.fixture
def stores(store_url: str, sqlite_template: Path, tmp_path: Path) -> Callable[[], Store]:
    """A fresh store at each call."""
    numbers = itertools.count()

    def on_sqlite() -> Store:
        path = tmp_path / f"{next(numbers)}.sqlite"
        shutil.copyfile(sqlite_template, path)
        return Store(connect(f"sqlite:///{path}"))

    def on_postgresql() -> Store:
        store = Store(connect(store_url))
        names = ", ".join(table.name for table in tables.metadata.sorted_tables)
        with store.write() as tx:
            tx.run(f"TRUNCATE {names} RESTART IDENTITY CASCADE")
        return store

    return on_sqlite if store_url.startswith("sqlite") else on_postgresql


@pytest.fixture
def alike(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The same lives in every run.

    Hypothesis draws constants of whatever modules of ours are loaded, too. Those are others in a run of all tests than
    in one of this test alone, and others again whenever the tests are dealt out otherwise.
    """
    monkeypatch.setattr(providers, "_get_local_constants", providers.Constants)
    providers.CONSTANTS_CACHE.cache.clear()
    yield
    providers.CONSTANTS_CACHE.cache.clear()


@pytest.mark.usefixtures("alike")
def test_whatever_happens_the_store_agrees_with_the_books(stores: Callable[[], Store], store_url: str) -> None:
    Life.open_store = staticmethod(stores)
    is_sqlite = store_url.startswith("sqlite")
    many = int(os.environ.get("LIFE", "0"))
    shrinks = os.environ.get("LIFE_SHRINK", "0" if many else "1") != "0"
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=many or (30 if is_sqlite else 4),
            stateful_step_count=int(os.environ.get("LIFE_STEPS", "80" if many else "50" if is_sqlite else "40")),
            deadline=None,
            derandomize=not many,
            database=None,
            phases=[Phase.generate, Phase.shrink] if shrinks else [Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
