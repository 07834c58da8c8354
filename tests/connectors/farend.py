"""A simulator as the far end of the conformance suite.

    class TestConformance(Conformance):
        plenty = 7          # so many orders fill three pages: give the connector small pages, or say a larger number

        @pytest.fixture
        def far_end(self) -> Iterator[SimulatedFarEnd]:
            with ShopifySimulator(listings=goods(ShopifySimulator)) as simulator:
                yield SimulatedFarEnd(simulator)

        @pytest.fixture
        def connector(self, far_end) -> Connector:
            return Shopify("shop", settings_for(far_end.simulator))

A class that requests the fixture `no_pauses` (`@pytest.mark.usefixtures("no_pauses")`, imported from here) does not
sleep between tries; the failures of this far end last longer than any patience.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from werkzeug.wrappers import Request, Response

from connectors.simulation import (
    Effect,
    Fault,
    OrderTruth,
    RefundEffect,
    SimulatedLine,
    SimulatedListing,
    SimulatedOrder,
    Simulator,
)
from core.conformance import Failure
from core.conformance.far_end import without_lists
from core.model import Call
from tests.passing import passing


def goods(
    kind: type[Simulator] | Simulator, skus: Sequence[str] = ("KIT-1", "KIT 2/b+c", "KIT-3")
) -> list[SimulatedListing]:
    """Listings as the suite wants them: three SKUs, five hundred units of each at every place of this simulator."""
    return [
        SimulatedListing(sku=sku, title=sku.lower(), price=Decimal("10.00"), quantities=dict.fromkeys(kind.places, 500))
        for sku in skus
    ]


def refuse(request: Request) -> Response:
    """What most APIs say to credentials they do not know, at the token's address too."""
    return Response('{"error":"invalid_client","errors":[{"code":"Unauthorized"}]}', 401, mimetype="application/json")


class SimulatedFarEnd:
    """`core.conformance.FarEnd` of a started simulator, without other faults of its own.

    `elapse` is what makes the vendor's delays pass, beside `settle_feeds`: an index that lags behind, a rate limit.
    `refuse` answers when the credentials are refused, where the vendor's 401 is needed word for word.
    """

    def __init__(
        self,
        simulator: Simulator,
        *,
        elapse: Callable[[], None] = lambda: None,
        refuse: Callable[[Request], Response] = refuse,
    ) -> None:
        self.simulator = simulator
        self._elapse = elapse
        self._refuse = refuse
        self._handle = simulator.handle

    @property
    def skus(self) -> Sequence[str]:
        return tuple(dict.fromkeys(sku for sku, _ in self.simulator.levels()))

    @property
    def places(self) -> Sequence[str]:
        return self.simulator.places

    def place(self, lines: Sequence[tuple[str, int]]) -> str:
        taken = tuple(SimulatedLine(sku=sku, quantity=units) for sku, units in lines)
        return self.simulator.place(SimulatedOrder(lines=taken))

    def cancel(self, number: str, *, sku: str | None = None, quantity: int | None = None) -> None:
        self.simulator.cancel(number, sku=sku, quantity=quantity)

    def send_back(self, number: str, sku: str, quantity: int) -> str:
        return self.simulator.send_back(number, sku, quantity)

    def own_stock(self) -> Mapping[str, int]:
        return self.simulator.own_stock()

    def truths(self) -> Mapping[str, OrderTruth]:
        return self.simulator.truths()

    def effects(self) -> Sequence[Effect]:
        return self.simulator.effects()

    def refunds(self) -> Sequence[RefundEffect]:
        return self.simulator.refunds()

    def levels(self) -> Mapping[tuple[str, str], int]:
        return self.simulator.levels()

    def let_time_pass(self) -> None:
        self._elapse()
        self.simulator.settle_feeds()

    # What a simulator that makes calls can do besides; see `core.conformance.FarEnd`.

    def event(self, number: str, *, at: datetime | None = None) -> Call:
        return self._calling.event(number, at=at)

    def sign(self, body: bytes) -> Call:
        return self._calling.sign(body)

    def told(self) -> Sequence[str]:
        return self._calling.told()

    def subscribe(self, address: str) -> None:
        self._calling.subscribe(address)

    def unsubscribe(self) -> None:
        self._calling.unsubscribe()

    def enqueue(self, number: str) -> None:
        self._calling.enqueue(number)

    def queued(self) -> int:
        return self._calling.queued()

    @property
    def _calling(self) -> Any:
        return self.simulator

    def fail(self, how: str | None) -> bool:
        faults = {Failure.UNAVAILABLE: Fault.HTML_503, Failure.LOST_ANSWER: Fault.RESET_AFTER_WRITE}
        failure = None if how is None else Failure(how)
        self.simulator.faults.set({faults[failure]: 1.0} if failure in faults else {})
        handles = {Failure.UNAUTHORIZED: self._refuse, Failure.NO_LIST: self._without_lists}
        handle = self._handle if failure is None else handles.get(failure, self._handle)
        self.simulator.handle = handle  # type: ignore[method-assign, assignment]  # every request goes through it
        return True

    def _without_lists(self, request: Request) -> Response:
        response = self._handle(request)
        if response.is_json and response.status_code < 300:
            response.set_data(without_lists(response.get_data()))
        return response


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wire tries again at once."""
    passing(monkeypatch)
