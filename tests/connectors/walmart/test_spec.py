"""What goes over the wire keeps to the vendor's specs, in both directions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec

from connectors.simulation import SimulatedListing
from connectors.walmart.simulator import WalmartSimulator
from core.model import AckState, CancelReason, LevelKey
from tests.connectors.walmart.conftest import Connect
from tests.connectors.walmart.test_cancel import cancellation
from tests.connectors.walmart.test_refunds import APPLIED, pushed, refund
from tests.connectors.walmart.trade import SKUS, acknowledged, level, parcel, place, pulled, settle
from tests.connectors.walmart.vendor import DIFFERENCES, SPECS
from tests.specs import Spec, Watch, specs  # noqa: F401 - a fixture


def test_what_is_said_on_the_wire_keeps_to_the_vendors_spec(
    specs: Callable[[str], Spec],  # noqa: F811
    simulator: WalmartSimulator,
    connect: Connect,
) -> None:
    watch = Watch(simulator, [specs(f"walmart/{name}.openapi.json") for name in SPECS], DIFFERENCES)
    connector = connect()
    simulator.offer(SimulatedListing(sku="WFS-1", title="ours", price=Decimal(5), quantities={}, by_channel=True))
    first, second = acknowledged(simulator, connector), acknowledged(simulator, connector)
    place(simulator, by_channel=True)
    place(simulator)
    simulator.cancel(second, sku=SKUS[0], quantity=1)
    pulled(connector)
    shipments = [
        parcel(first, {"1": 1, "2": 1}, 1),
        parcel(first, {"1": 1}, 2, carrier="Local Bikes", tracking_url="https://bikes.example/2"),
        parcel(second, {"1": 5}, 3),
    ]
    list(connector.push_tracking(shipments))
    connector.fetch(first)
    list(
        connector.push_tracking([msgspec.structs.replace(shipments[0], tracking="NEW", corrects=shipments[0].tracking)])
    )
    list(
        connector.push_cancellations(
            [cancellation(second, {"1": 1}), cancellation(second, {"2": 1}, 2, CancelReason.PRICE)]
        )
    )
    assert pushed(connector, refund(first, {"1": ("1.00", "0.08")}, shipping=Decimal(1)))["refund-1"].state is APPLIED
    back = simulator.send_back(first, SKUS[1], 1)
    theirs = refund(first, {"2": ("10.00", "0.80")}, 2, rma=back)
    assert pushed(connector, theirs)["refund-2"].state is APPLIED
    assert [one.number for page in connector.returns(None) for one in page.observations] == [back]
    now = datetime.now(UTC)
    window = {"since": now - timedelta(days=1), "until": now}
    assert len([one for page in connector.backfill(None, **window) for one in page.observations]) == 4
    assert len(list(connector.roll_call(**window))) == 4
    assert all(finding.well for finding in connector.examine())
    assert [one.sku for one in connector.own_stock()] == ["WFS-1"]
    list(connector.push_levels([level(sku, 7, node) for sku in SKUS for node in simulator.places]))
    list(connector.push_levels([level(SKUS[1], 8, "")]))
    many = [level(f"KIT-{i}", 5) for i in range(30)]
    settled = settle(simulator, connector, list(connector.push_levels(many)))
    assert {ack.state for ack in settled.values()} == {AckState.APPLIED, AckState.REFUSED}
    list(connector.read_levels([LevelKey(key="a", sku=SKUS[1], handle="", place="")]))
    list(connector.read_levels([LevelKey(key=sku, sku=sku, handle="", place="100009") for sku in SKUS]))
    list(connector.read_levels([LevelKey(key="b", sku=SKUS[1], handle="", place="100009")]))
    assert {listing.sku for listing in connector.listings()} == {*SKUS, "WFS-1"}
    watch.check(all_used=True)
