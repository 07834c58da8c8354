"""Walmart keeps the connector contract."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import ClassVar

import pytest

from connectors.simulation import SimulatedListing
from connectors.walmart import Walmart
from connectors.walmart.simulator import WalmartSimulator
from core.conformance import Conformance
from tests.connectors.farend import SimulatedFarEnd
from tests.connectors.walmart.conftest import settings_for


@pytest.mark.usefixtures("no_pauses")
class TestConformance(Conformance):
    out_of_order = "Walmart lists a search by order date, newest first, and has no other order"
    states: ClassVar[tuple[str, ...]] = ("$.orderLines.orderLine[0].orderLineStatuses.orderLineStatus[0].status",)

    @pytest.fixture
    def far_end(self, simulator: WalmartSimulator) -> SimulatedFarEnd:
        simulator.offer(
            SimulatedListing(sku="WFS-1", title="ours", price=Decimal(5), quantities={"100009": 7}, by_channel=True)
        )
        return SimulatedFarEnd(simulator)

    @pytest.fixture
    def connector(self, far_end: SimulatedFarEnd, monkeypatch: pytest.MonkeyPatch) -> Iterator[Walmart]:
        monkeypatch.setattr("connectors.walmart.windows.LIMIT", 3)
        assert isinstance(far_end.simulator, WalmartSimulator)
        connector = Walmart("walmart-us", settings_for(far_end.simulator))
        yield connector
        connector.close()
