"""A simulated ShipStation account as the suite of warehouses sees one, and connectors to it."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
from pydantic import SecretStr

from connectors.shipstation import ShipStation
from connectors.shipstation.simulator import KEY, SECRET, ShipStationSimulator
from connectors.simulation import Fault
from core.model import Call
from core.warehouse import Deed
from tests.connectors.farend import refuse
from tests.declared import absent

PLACE = "16079"


@functools.cache
def schema() -> Any:
    return jsonschema.Draft202012Validator(json.loads(Path(__file__).with_name("createorder.schema.json").read_text()))


def connect(simulator: ShipStationSimulator, **keys: Any) -> ShipStation:
    given: dict[str, Any] = {
        "connector": "shipstation",
        "base_url": simulator.base_url,
        "locations": {"east": PLACE},
        "api_key": SecretStr(KEY),
        "api_secret": SecretStr(SECRET),
        "label_minutes": 0,
        "page_size": 2,  # whatever is lost between two pages shows
        "requests_per_minute": 10_000,
    }
    return ShipStation("shipstation", ShipStation.Settings(**given | keys))


@dataclass
class There:
    lines: Mapping[str, int]
    postal_code: str
    times: int


class ShipStationYard:
    skus = ("MUG", "PEN", "CAP")
    place = PLACE

    def __init__(self, simulator: ShipStationSimulator) -> None:
        self.simulator = simulator
        self._handle = simulator.handle

    def works(self) -> Mapping[str, There]:
        return {
            one.key: There(
                {item["sku"]: item["quantity"] if one.active else 0 for item in one.asked["items"]},
                one.asked["shipTo"]["postalCode"],
                one.times,
            )
            for one in self.simulator.orders
        }

    def accept(self, key: str) -> None:
        raise absent(ShipStation.absent, Deed.TELLS_ACCEPTED)

    def decline(self, key: str, units: Mapping[str, int] | None, reason: str) -> None:
        raise absent(ShipStation.absent, Deed.TELLS_DECLINED)

    def send(self, key: str, parcels: Sequence[tuple[str, Mapping[str, int]]]) -> None:
        for tracking, units in parcels:
            self.simulator.send(key, units, tracking)

    def count(self, units: Mapping[str, int]) -> None:
        raise absent(ShipStation.absent, Deed.TELLS_COUNTED)

    def adjust(self, sku: str, change: int, reason: str) -> None:
        raise absent(ShipStation.absent, Deed.TELLS_ADJUSTED)

    def garble(self) -> bool:
        key = self.simulator.orders[0].key
        odd = [{"lineItemKey": f"{key}:1", "sku": "MUG", "quantity": "two"}]
        self.simulator.send(key, {"MUG": 1}, "1ZBAD", shipmentItems=odd)
        return True

    def let_time_pass(self) -> None:
        """Nothing waits for its time."""

    def fail(self, how: str | None) -> bool:
        faults = {"unavailable": Fault.HTML_503, "lost answer": Fault.RESET_AFTER_WRITE}
        self.simulator.faults.set({faults[how]: 1.0} if how in faults else {})
        handle = refuse if how == "unauthorized" else self._handle
        self.simulator.handle = handle  # type: ignore[method-assign]
        return True

    def call(self, *, forged: bool = False, stale: bool = False) -> Call:
        raise absent(ShipStation.absent, Deed.CALLS)
