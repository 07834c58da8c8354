"""Walmart keeps the connector contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest

from connectors.simulation import SimulatedListing
from connectors.walmart import Walmart
from connectors.walmart.simulator import WalmartSimulator
from core.conformance import Conformance
from tests.connectors.farend import SimulatedFarEnd
from tests.connectors.walmart.conftest import settings_for
from tests.connectors.walmart.test_spec import DIFFERENCES, SPECS
from tests.specs import Spec, Watch, specs  # noqa: F401 - a fixture

_CURSOR = "the cursor is a whole query string of the vendor's own making, appended as it came"

PRACTICE = {
    **{
        f"request query {key}: not a parameter": _CURSOR
        for key in ("hasMoreElements", "turn", "soIndex", "poIndex", "sellerId", "partnerId")
    },
    "body.errors: {'error'": "the vendor's errors come in more shapes than its spec shows; this is one of them",
    "response 404: a status the spec does not have": "the vendor answers 404 for a SKU it does not know",
}
"""Where the vendor's own practice leaves its spec, beside what `test_spec` lists."""


@pytest.mark.usefixtures("no_pauses")
class TestConformance(Conformance):
    out_of_order = "Walmart lists a search by order date, newest first, and has no other order"

    @pytest.fixture
    def far_end(
        self,
        specs: Callable[[str], Spec],  # noqa: F811
        simulator: WalmartSimulator,
    ) -> Iterator[SimulatedFarEnd]:
        """All that is said while the contract is proven keeps to the vendor's specs as well."""
        watch = Watch(simulator, [specs(f"walmart/{name}.openapi.json") for name in SPECS], DIFFERENCES | PRACTICE)
        simulator.offer(
            SimulatedListing(sku="WFS-1", title="ours", price=Decimal(5), quantities={"100009": 7}, by_channel=True)
        )
        yield SimulatedFarEnd(simulator)
        if watch.seen:
            watch.check()

    @pytest.fixture
    def connector(self, far_end: SimulatedFarEnd, monkeypatch: pytest.MonkeyPatch) -> Iterator[Walmart]:
        monkeypatch.setattr("connectors.walmart.windows.LIMIT", 3)
        assert isinstance(far_end.simulator, WalmartSimulator)
        connector = Walmart("walmart-us", settings_for(far_end.simulator))
        yield connector
        connector.close()
