"""Words the Walmart tests are written in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from connectors.simulation import SimulatedLine, SimulatedOrder
from connectors.walmart import Walmart
from connectors.walmart.simulator import WalmartSimulator
from core.model import Ack, AckState, Level, Observation, Shipment

SKUS = ("KIT-1", "KIT 2/b+c", "KIT-3")


def place(simulator: WalmartSimulator, *lines: tuple[str, int], **order: Any) -> str:
    """A buyer orders these units; by default two of one SKU and one of another."""
    taken = tuple(SimulatedLine(sku=sku, quantity=units) for sku, units in lines or ((SKUS[0], 2), (SKUS[1], 1)))
    return simulator.place(SimulatedOrder(lines=taken, **order))


def acknowledged(simulator: WalmartSimulator, connector: Walmart, *lines: tuple[str, int]) -> str:
    number = place(simulator, *lines)
    assert [ack.state for ack in connector.acknowledge([number])] == [AckState.APPLIED]
    return number


def parcel(order: str, lines: Mapping[str, int], serial: int = 1, **shipment: Any) -> Shipment:
    given: dict[str, Any] = {
        "key": f"parcel-{serial}",
        "serial": serial,
        "carrier": "ups",
        "tracking": f"1Z{serial:016d}",
        "shipped_at": datetime.now(UTC),
    }
    return Shipment(order=order, lines=lines, **(given | shipment))


def level(sku: str, quantity: int, place: str = "100009", revision: int = 1, handle: str = "") -> Level:
    return Level(key=f"{sku}@{place}", sku=sku, handle=handle, place=place, quantity=quantity, revision=revision)


def states(acks: Iterable[Ack]) -> dict[str, AckState]:
    return {ack.key: ack.state for ack in acks}


def settle(simulator: WalmartSimulator, connector: Walmart, acks: Sequence[Ack]) -> dict[str, Ack]:
    """The last answers, feeds having been processed."""
    simulator.settle_feeds()
    settled = connector.settle({ack.key: ack.ticket for ack in acks if ack.state is AckState.ACCEPTED})
    return {ack.key: ack for ack in (*acks, *settled)}


def pulled(connector: Walmart, cursor: str | None = None, **since: datetime) -> list[Observation]:
    return [one for page in connector.pages(cursor, **since) for one in page.observations]
