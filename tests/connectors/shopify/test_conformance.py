"""The connector contract, kept by Shopify's connector against its simulator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import msgspec
import pytest

from connectors.shopify import Shopify, backfill, queries
from connectors.shopify.simulator import ShopifySimulator
from core.conformance import Conformance, FarEnd
from core.connector import Connector
from core.model import Level
from tests.connectors.farend import SimulatedFarEnd, goods, no_pauses  # noqa: F401 - a fixture
from tests.connectors.shopify.given import connector as connector_to


@pytest.mark.usefixtures("no_pauses")
class TestConformance(Conformance):
    plenty: ClassVar[int] = 7
    many_lines: ClassVar[int] = 300
    unknown_handle: ClassVar[str] = "gid://shopify/InventoryItem/1"
    unknown_place: ClassVar[str] = "999999999"
    full_batch: ClassVar[int] = queries.LEVELS
    states: ClassVar[tuple[str, ...]] = ("$.displayFinancialStatus", "$.fulfillmentOrders.nodes[0].status")

    @pytest.fixture
    def far_end(self) -> Iterator[SimulatedFarEnd]:
        with ShopifySimulator(listings=goods(ShopifySimulator), plan_points=2000, whole_seconds=False) as simulator:
            assert isinstance(simulator, ShopifySimulator)
            yield SimulatedFarEnd(simulator)

    @pytest.fixture
    def connector(self, far_end: SimulatedFarEnd, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shopify]:
        monkeypatch.setattr(queries, "PAGE", 3)
        monkeypatch.setattr(backfill, "PAGE", 3)
        monkeypatch.setattr(backfill, "FEW", 0)  # gathered in bulk, however few
        assert isinstance(far_end.simulator, ShopifySimulator)
        made = connector_to(far_end.simulator)
        yield made
        made.close()

    def unknown_handles(self, count: int) -> list[str]:
        return [f"gid://shopify/InventoryItem/{at}" for at in range(1, count + 1)]

    def levels_of(
        self,
        connector: Connector,
        far_end: FarEnd,
        quantity: int,
        *,
        skus: Sequence[str] | None = None,
        revision: int = 1,
    ) -> list[Level]:
        """As the rounds push them: with the quantity read before. Shopify sets nothing blindly."""
        held = far_end.levels()
        levels = super().levels_of(connector, far_end, quantity, skus=skus, revision=revision)
        return [msgspec.structs.replace(level, expected=held[level.sku, level.place]) for level in levels]
