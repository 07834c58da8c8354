"""Every test of the rounds gets a world, and every world is checked when its test ends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.store.database import Store
from core.sync.verify import verify
from tests.core.sync.lock_order import watch
from tests.core.sync.world import World, check


@pytest.fixture(autouse=True)
def locks_in_order(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    broken = watch(monkeypatch)
    yield
    assert broken == []


@pytest.fixture
def world(store: Store) -> Iterator[World]:
    yield World(store)
    check(store)
    assert verify(store, file=False) == []


@pytest.fixture
def small_world(sqlite_store: Store) -> Iterator[World]:
    """For what does not depend on the database."""
    yield World(sqlite_store)
    check(sqlite_store)
    assert verify(sqlite_store, file=False) == []
