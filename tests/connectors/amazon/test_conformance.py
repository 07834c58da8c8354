"""The connector keeps the contract."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import ClassVar

import pytest

from connectors.amazon import Amazon
from connectors.amazon.listings import Handle
from connectors.simulation import SimulatedListing
from core.conformance import Conformance
from tests.connectors.amazon.conftest import Connect, hurried
from tests.connectors.amazon.queue import Queued, Sqs, aws, sqs  # noqa: F401 - fixtures
from tests.connectors.farend import goods


@pytest.mark.usefixtures("no_pauses")
class TestConformance(Conformance):
    plenty: ClassVar[int] = 210
    only_whole: ClassVar[str] = "the feed that cancels takes whole orders only"
    states: ClassVar[tuple[str, ...]] = ("$.fulfillment.fulfillmentStatus",)
    unknown_handle: ClassVar[str] = str(Handle(product_type="PRODUCT"))

    @pytest.fixture
    def far_end(self, sqs: Sqs) -> Iterator[Queued]:  # noqa: F811
        there = SimulatedListing(sku="FBA-1", title="fba", price=Decimal(10), quantities={"": 7}, by_channel=True)
        simulator = hurried(listings=[*goods(hurried()), there])
        with simulator:
            yield Queued(simulator, sqs)

    @pytest.fixture
    def connector(self, far_end: Queued, connect: Connect, sqs: Sqs) -> Amazon:  # noqa: F811
        return connect(far_end.simulator, overlap_seconds=0, **sqs.settings)
