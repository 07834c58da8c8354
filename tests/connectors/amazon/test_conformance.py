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
from tests.connectors.amazon.test_wire import DIFFERENCES, NAMES, Load
from tests.connectors.farend import goods
from tests.specs import Watch, specs  # noqa: F401 - a fixture


@pytest.mark.usefixtures("no_pauses")
class TestConformance(Conformance):
    plenty: ClassVar[int] = 210
    only_whole: ClassVar[str] = "the feed that cancels takes whole orders only"
    unknown_handle: ClassVar[str] = str(Handle(product_type="PRODUCT"))

    @pytest.fixture
    def far_end(self, specs: Load, sqs: Sqs) -> Iterator[Queued]:  # noqa: F811
        """All that is said while the contract is proven keeps to the vendor's specs as well."""
        there = SimulatedListing(sku="FBA-1", title="fba", price=Decimal(10), quantities={"": 7}, by_channel=True)
        simulator = hurried(listings=[*goods(hurried()), there])
        watch = Watch(simulator, [specs(name) for name in NAMES], DIFFERENCES)
        with simulator:
            yield Queued(simulator, sqs)
        if watch.seen:
            watch.check()

    @pytest.fixture
    def connector(self, far_end: Queued, connect: Connect, sqs: Sqs) -> Amazon:  # noqa: F811
        return connect(far_end.simulator, overlap_seconds=0, **sqs.settings)
