"""Tracking numbers corrected after they were told: the same parcel edited, never a second one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from werkzeug.wrappers import Request, Response

from connectors.amazon import Amazon
from connectors.amazon.simulator import AmazonSimulator
from connectors.simulation import Fault
from core.errors import Unavailable
from core.model import AckState, Shipment
from tests.connectors.amazon.conftest import fetched, order
from tests.connectors.amazon.test_tracking import one, parcel, placed


def corrected(shipment: Shipment, tracking: str = "1ZNEW") -> Shipment:
    return msgspec.structs.replace(shipment, tracking=tracking, corrects=shipment.tracking)


def shown(amazon: Amazon, number: str) -> list[tuple[str, dict[str, int]]]:
    return [(package.tracking, dict(package.lines)) for package in fetched(amazon, number).packages]


def test_a_correction_keeps_the_package_id_and_changes_the_number(simulator: AmazonSimulator, amazon: Amazon) -> None:
    first = parcel(placed(simulator, amazon))
    one(amazon, first)
    for tracking in ("1ZNEW", "1ZNEWER", "1ZNEWER"):
        assert one(amazon, corrected(first, tracking)).state is AckState.APPLIED
        assert shown(amazon, first.order) == [(tracking, dict(first.lines))]
    assert len(simulator.effects()) == 1
    assert len(simulator.book.orders[first.order].parcels) == 1


def test_only_the_parcel_meant_is_corrected(simulator: AmazonSimulator, amazon: Amazon) -> None:
    before = placed(simulator, amazon, ("SKU-0", 3))
    (line,) = (line.number for line in before.lines)
    first, second = (parcel(before, serial, lines={line: serial}) for serial in (1, 2))
    list(amazon.push_tracking([first, second]))
    assert one(amazon, corrected(second)).state is AckState.APPLIED
    assert shown(amazon, before.number) == [("1Z000001", {line: 1}), ("1ZNEW", {line: 2})]
    assert simulator.truths()[before.number].shipped == {"SKU-0": 3}


def test_the_only_parcel_so_far_of_an_order_is_corrected(simulator: AmazonSimulator, amazon: Amazon) -> None:
    before = placed(simulator, amazon, ("SKU-0", 3))
    first = parcel(before, 1, lines={before.lines[0].number: 1})
    one(amazon, first)
    assert one(amazon, corrected(first)).state is AckState.APPLIED
    assert simulator.truths()[before.number].shipped == {"SKU-0": 1}


def test_an_order_of_five_hundred_lines_is_shipped_and_corrected(simulator: AmazonSimulator, amazon: Amazon) -> None:
    before = placed(simulator, amazon, *(("SKU-0", 1) for _ in range(500)))
    numbers = [line.number for line in before.lines]
    assert len(set(numbers)) == 500
    halves = [
        parcel(before, 1, lines=dict.fromkeys(numbers[:250], 1)),
        parcel(before, 2, lines=dict.fromkeys(numbers[250:], 1)),
    ]
    assert [ack.state for ack in amazon.push_tracking(halves)] == [AckState.APPLIED] * 2
    assert one(amazon, corrected(halves[1])).state is AckState.APPLIED
    assert [(tracking, len(lines)) for tracking, lines in shown(amazon, before.number)] == [
        ("1Z000001", 250),
        ("1ZNEW", 250),
    ]


def test_a_correction_whose_answer_was_lost_is_told_again_without_harm(
    simulator: AmazonSimulator, amazon: Amazon
) -> None:
    first = parcel(placed(simulator, amazon))
    one(amazon, first)
    simulator.faults.set({Fault.RESET_AFTER_WRITE: 1.0})
    with pytest.raises(Unavailable) as caught:
        one(amazon, corrected(first))
    assert caught.value.ambiguous
    assert caught.value.keys == {first.key}
    simulator.faults.heal()
    assert one(amazon, corrected(first)).state is AckState.APPLIED
    assert [effect.tracking for effect in simulator.effects()] == ["1ZNEW"]


def refusing(simulator: AmazonSimulator, message: str) -> None:
    """Amazon takes no confirmation from now on."""
    handle: Callable[[Request], Response] = simulator.handle
    body = msgspec.json.encode({"errors": [{"code": "InvalidInput", "message": message}]})

    def handled(request: Request) -> Response:
        if request.path.endswith("Confirmation"):
            return Response(body, 400, mimetype="application/json")
        return handle(request)

    simulator.handle = handled  # type: ignore[method-assign]


@pytest.mark.parametrize("message", ["The package was delivered.", "errorMetric=PackageToUpdateNotFound"])
def test_a_correction_amazon_does_not_take_says_which_number_it_keeps_and_where_to_mend_it(
    simulator: AmazonSimulator, amazon: Amazon, message: str
) -> None:
    first = parcel(placed(simulator, amazon))
    one(amazon, first)
    refusing(simulator, message)
    ack = one(amazon, corrected(first))
    assert ack.state is AckState.REFUSED
    assert f"keeps the parcel's old tracking number 1Z000001 (InvalidInput: {message})" in ack.reason
    assert ack.reason.endswith("; enter the new one there, in Seller Central under Manage Orders")


def test_a_correction_made_by_hand_meanwhile_is_there(simulator: AmazonSimulator, amazon: Amazon) -> None:
    first = parcel(placed(simulator, amazon))
    one(amazon, first)
    one(amazon, corrected(first))
    refusing(simulator, "The package was delivered.")
    assert one(amazon, corrected(first)).state is AckState.APPLIED


def test_a_correction_of_a_parcel_amazon_never_saw_tells_it(simulator: AmazonSimulator, amazon: Amazon) -> None:
    first = parcel(placed(simulator, amazon))
    assert one(amazon, corrected(first)).state is AckState.APPLIED
    assert shown(amazon, first.order) == [("1ZNEW", dict(first.lines))]


def test_one_refused_correction_keeps_no_other_back(simulator: AmazonSimulator, amazon: Amazon) -> None:
    first, second = parcel(placed(simulator, amazon), 1), parcel(placed(simulator, amazon), 2)
    list(amazon.push_tracking([first, second]))
    lost: Any = msgspec.structs.replace(corrected(first), tracking=" ")
    refused, applied = amazon.push_tracking([lost, corrected(second)])
    assert (refused.state, applied.state) == (AckState.REFUSED, AckState.APPLIED)
    assert simulator.place(order())
