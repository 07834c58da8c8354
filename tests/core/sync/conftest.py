"""Every test of the rounds gets a world, and every world is checked when its test ends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.sandbox_warehouse import Yard
from core.store.database import Store
from core.sync.channel import Channel
from core.sync.verify import verify
from tests.core.sync.depot import Depot
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


@pytest.fixture
def shop(world: World) -> Channel:
    """The channel of tests that need no other: it ships from where the warehouse is, and from nowhere else."""
    return world.channel(locations={"east": ""})


@pytest.fixture
def depot(world: World, shop: Channel) -> Iterator[Depot]:
    """The warehouse, with plenty of two items."""
    world.item("TEE", east=10)
    world.item("MUG", east=10)
    yield Depot(world)
    Yard.forget("depot")
