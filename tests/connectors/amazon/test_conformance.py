"""The connector keeps the contract."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pytest

from connectors.amazon import Amazon
from connectors.amazon.listings import Handle
from core.conformance import Conformance
from tests.connectors.amazon.conftest import Connect, hurried
from tests.connectors.farend import SimulatedFarEnd, goods


@pytest.mark.usefixtures("no_pauses")
class TestConformance(Conformance):
    plenty: ClassVar[int] = 210
    unknown_handle: ClassVar[str] = str(Handle(product_type="PRODUCT"))

    @pytest.fixture
    def far_end(self) -> Iterator[SimulatedFarEnd]:
        simulator = hurried(listings=goods(hurried()))
        with simulator:
            yield SimulatedFarEnd(simulator)

    @pytest.fixture
    def connector(self, far_end: SimulatedFarEnd, connect: Connect) -> Amazon:
        return connect(far_end.simulator, overlap_seconds=0)
