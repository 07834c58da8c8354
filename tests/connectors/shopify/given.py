"""What the tests of the Shopify connector share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pydantic import SecretStr

from connectors.shopify import Shopify, ShopifySettings
from connectors.shopify.simulator import ShopifySimulator
from connectors.simulation import SimulatedLine, SimulatedListing, SimulatedOrder
from core.model import Ack, Level, Order, Shipment

FIXTURES = Path(__file__).parents[3] / "fixtures" / "shopify"
EAST, WEST = ShopifySimulator.places
SKUS = ("MUG-1", "TEE-2", "CAP-3")


def goods(units: int = 500, skus: Sequence[str] = SKUS) -> list[SimulatedListing]:
    return [
        SimulatedListing(
            sku=sku,
            title=f"The {sku}",
            price=Decimal("12.99"),
            quantities=dict.fromkeys(ShopifySimulator.places, units),
        )
        for sku in skus
    ]


def settings(simulator: ShopifySimulator, **keys: Any) -> ShopifySettings:
    secrets = {f"secret:{name}": SecretStr(value) for name, value in simulator.secrets().items()}
    config = {
        key: secrets.get(value, value) if isinstance(value, str) else value for key, value in simulator.config().items()
    }
    return ShopifySettings(**(config | keys))


def connector(simulator: ShopifySimulator, **keys: Any) -> Shopify:
    return Shopify("shop", settings(simulator, **keys))


def order_of(*lines: tuple[str, int], **more: Any) -> SimulatedOrder:
    return SimulatedOrder(lines=tuple(SimulatedLine(sku=sku, quantity=units) for sku, units in lines), **more)


def parcel(order: Order, tracking: str = "1Z1", *, units: int | None = None, line: int = 0, **more: Any) -> Shipment:
    """One parcel with units (None: all) of one line."""
    sent = order.lines[line]
    values: dict[str, Any] = {
        "key": f"{order.number}/{tracking}",
        "serial": 1,
        "order": order.number,
        "lines": {sent.number: sent.ordered if units is None else units},
        "carrier": "ups",
        "tracking": tracking,
        "shipped_at": datetime.now(UTC),
    }
    return Shipment(**(values | more))


def placed(simulator: ShopifySimulator, shop: Shopify, *lines: tuple[str, int], **more: Any) -> Order:
    """An order of three mugs, or of these lines, as the connector reads it."""
    number = simulator.place(order_of(*(lines or (("MUG-1", 3),)), **more))
    return shop.normalize(shop.fetch(number).body)


def refetched(shop: Shopify, order: Order) -> Order:
    """The same order as it stands now."""
    return shop.normalize(shop.fetch(order.number).body)


def levels_of(
    shop: Shopify, simulator: ShopifySimulator, quantity: int, *, revision: int = 1, place: str = EAST
) -> list[Level]:
    """This quantity for each SKU at one place, expecting what the shop holds."""
    held = simulator.levels()
    return [
        Level(
            key=f"{listing.sku}@{place}",
            sku=listing.sku,
            handle=listing.handle,
            place=place,
            quantity=quantity,
            revision=revision,
            expected=held[listing.sku, place],
        )
        for listing in shop.listings()
    ]


def states(acks: Iterator[Ack]) -> dict[str, str]:
    return {ack.key: ack.state.value for ack in acks}


def pulled(shop: Shopify, cursor: str | None = None) -> dict[str, Order]:
    """Every order of one pull, in its last version."""
    return {seen.number: shop.normalize(seen.body) for page in shop.pages(cursor) for seen in page.observations}


def document(name: str) -> bytes:
    return (FIXTURES / f"{name}.json").read_bytes()


def changed(body: bytes, **fields: Any) -> bytes:
    """A document with top-level fields replaced."""
    return msgspec.json.encode(msgspec.json.decode(body) | fields)


def heard(shop: Shopify, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What the shop is told from now on: each mutation's name and its variables."""
    told: list[tuple[str, dict[str, Any]]] = []
    tell = shop._graph.tell

    def listen(document: str, variables: dict[str, Any], *rest: Any, **more: Any) -> Any:
        told.append((document.split("(")[0].removeprefix("mutation "), dict(variables)))
        return tell(document, variables, *rest, **more)

    monkeypatch.setattr(shop._graph, "tell", listen)
    return told
