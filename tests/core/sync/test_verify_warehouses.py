"""The invariants of what warehouses were handed and told: each breach is seen in a store made wrong by hand."""

from __future__ import annotations

import pytest

from connectors.sandbox_warehouse import Yard
from core.store.database import Store
from core.sync.verify import verify
from tests.core.sync.corrupt import corrupting
from tests.core.sync.depot import Depot
from tests.core.sync.world import World, line, order


@pytest.mark.parametrize(
    ("wrong", "name", "told"),
    [
        ("UPDATE shipment_lines SET quantity = 1", "I12", "told of 3 units that left, and its parcels hold 1"),
        ("UPDATE handovers SET state = 'accepted'", "I13", "still to be done, and nothing of it is to come"),
        ("UPDATE notices SET state = 'refused' WHERE kind = 'adjusted'", "I24", "moved stock, and it is refused"),
        ("DELETE FROM notices WHERE kind = 'adjusted'", "I24", "moved stock, and it is not there"),
    ],
)
def test_what_is_wrong_is_seen(store: Store, wrong: str, name: str, told: str) -> None:
    world = World(store)
    shop = world.channel(locations={"east": ""})
    world.item("TEE", east=10)
    depot = Depot(world)
    world.take(shop, order("1", line(1, "TEE", 3)))
    world.release(shop)
    depot.ok()
    depot.send()
    depot.yard.adjust("E", "TEE", 4, "found", at=depot.at())
    depot.ok()
    Yard.forget("depot")
    assert verify(store, file=False) == []
    with corrupting(store) as tx:
        tx.run(wrong)
    assert any(breach.name == name and told in breach.wrong for breach in verify(store, file=False))
