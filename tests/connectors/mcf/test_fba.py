"""FBA stock sends what is routed to the location that Amazon serves, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from connectors.mcf.simulator import McfSimulator
from core.model import Location, OwnStock
from core.settings import DaemonSettings, LocationSettings, LogSettings, RoutingSettings, Settings, StoreSettings
from core.store.database import Store
from core.sync.own_stock import read_own_stock
from core.sync.verify import verify
from core.sync.warehouse_turn import Handled, warehouse_turn
from tests.connectors.mcf.test_mcf import connect, simulated
from tests.core.sync.fake import SIMPLE, Ability, Fake
from tests.core.sync.world import EAST, World, line, order


class House:
    """`fba` is Amazon's, `east` is nobody's but ours."""

    def __init__(self, store: Store, simulator: McfSimulator) -> None:
        self.world = World(store, locations=[EAST, Location(name="fba", priority=9, postal_code="60601")])
        self.mcf: Any = connect(simulator)
        self.settings = Settings(
            folder=Path("/nowhere"), store=StoreSettings(), daemon=DaemonSettings(), log=LogSettings(),
            locations=tuple(LocationSettings(name=one.name) for one in self.world.locations),
            routing=RoutingSettings(), channels={}, warehouses={"amazon": self.mcf.settings},
        )  # fmt: skip

    def turn(self) -> Handled:
        self.world.later(1)
        done = warehouse_turn(self.world.store, self.settings, "amazon", now=self.world.clock, connector=self.mcf)
        assert isinstance(done, Handled), done
        return done


def test_amazon_is_asked_for_what_is_routed_to_its_location_and_nothing_else(sqlite_store: Store) -> None:
    with simulated() as simulator:
        assert isinstance(simulator, McfSimulator)
        house = House(sqlite_store, simulator)
        world = house.world
        for sku, here in (("MUG", 5), ("PEN", 0)):
            world.item(sku, east=here)
            simulator.warehouse.put(sku, 20)
        world.now = _really()
        house.turn()
        assert world.at("MUG") == {"east": (5, 0), "fba": (20, 0)}  # counted at the first turn
        shop = world.channel("shop", locations={"east": "", "fba": ""})
        walmart = world.channel("walmart", locations={"east": ""})
        world.take(shop, order("1", line(1, "MUG", 2)), order("2", line(1, "PEN", 3)))
        world.take(walmart, order("3", line(1, "PEN", 1)))
        for channel in (shop, walmart):
            world.release(channel)
        house.turn()
        asked = {key: {one.sku: one.quantity for one in work.lines.values()} for key, work in simulator.works.items()}
        assert list(asked.values()) == [{"PEN": 3}]  # not what east sends, and not what may not leave from there
        assert world.counts("3", channel="walmart") == {"ordered": 1, "backordered": 1}
        assert verify(sqlite_store, file=False) == []
        house.mcf.close()


def test_what_a_channel_keeps_for_itself_is_not_added_to_the_location(sqlite_store: Store) -> None:
    with simulated() as simulator:
        assert isinstance(simulator, McfSimulator)
        house = House(sqlite_store, simulator)
        house.world.item("MUG", east=0)
        fake = Fake(abilities=SIMPLE | {Ability.OWN_STOCK}, own=[OwnStock(sku="MUG", on_hand=9, available=9)])
        amazon = house.world.channel("amazon-us", fake, locations={"east": ""})
        assert read_own_stock(sqlite_store, amazon, house.world.clock) == 1
        house.world.take(amazon, order("1", line(1, "MUG")))
        assert house.world.counts("1", channel="amazon-us") == {"ordered": 1, "backordered": 1}
        assert house.world.stock("MUG") == (0, 0)
        house.mcf.close()


def _really() -> int:
    """Amazon's counts are of this machine's own time."""
    from core.sync.channel import clock

    return clock()
