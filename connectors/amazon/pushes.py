"""Parcels: one confirmation each, under a package id that is ours for ever.

The package id makes a repeat harmless: the same id is an edit of the same parcel, and that is also how a tracking
number is corrected. Amazon answers a repeat it sees otherwise, or a parcel for units it holds as shipped already, with
a 400; then the order is read back, and what stands there decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC
from typing import Any

from connectors import carriers
from connectors.amazon import orders
from connectors.amazon.account import Account, reason
from core.errors import BadDocument, NotFound, Rejected, in_doubt
from core.model import Ack, AckState, Observation, Package, Shipment

Fetch = Callable[[str], Observation]

OTHER = "Other"
"""The carrier code that goes with a carrier's name in words."""


def push_tracking(account: Account, fetch: Fetch, shipments: Sequence[Shipment]) -> Iterator[Ack]:
    """One confirmation for each parcel; see the module."""
    for shipment in shipments:
        missing = _missing(shipment)
        if missing:
            yield _refused(shipment, missing)
            continue
        try:
            with in_doubt([shipment.key]):
                account.seller.confirm_shipment(
                    shipment.order,
                    marketplaceId=account.settings.marketplace_id,
                    packageDetail=package_detail(shipment),
                )
        except NotFound:
            yield _refused(shipment, "Amazon does not know this order; check that it belongs to this account")
        except Rejected as error:
            yield _read_back(fetch, shipment, error)
        else:
            yield Ack(key=shipment.key, state=AckState.APPLIED)


def package_detail(shipment: Shipment) -> dict[str, Any]:
    """The parcel in the words of `confirmShipment`."""
    code, name = carrier(shipment.carrier)
    detail: dict[str, Any] = {
        "packageReferenceId": str(shipment.serial),
        "carrierCode": code,
        "trackingNumber": shipment.tracking,
        "shipDate": shipment.shipped_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "orderItems": [{"orderItemId": item, "quantity": quantity} for item, quantity in shipment.lines.items()],
    }
    if name:
        detail["carrierName"] = name
    if shipment.service:
        detail["shippingMethod"] = shipment.service
    if shipment.place:
        detail["shipFromSupplySourceId"] = shipment.place
    return detail


def carrier(text: str) -> tuple[str, str]:
    """Amazon's code for a carrier, and the name that goes with the code Other (empty with any other code)."""
    known = carriers.find(text)
    if known is None:
        return OTHER, text.strip()
    return (known.amazon, "") if known.amazon else (OTHER, known.name)


def _missing(shipment: Shipment) -> str:
    """What Amazon needs and this parcel lacks, ending in what to do; empty where it has all."""
    if not shipment.tracking.strip():
        return "Amazon takes no parcel without a tracking number; enter it"
    if not shipment.carrier.strip():
        return "Amazon takes no parcel without a carrier; enter it"
    if not shipment.lines:
        return "the parcel holds no units; correct its lines"
    if shipment.serial < 1:
        return "the parcel has no number Amazon takes; enter the shipment anew"
    return ""


def _read_back(fetch: Fetch, shipment: Shipment, error: Rejected) -> Ack:
    """What a refused confirmation comes to: the parcel may be there all the same."""
    try:
        packages = orders.normalize(fetch(shipment.order).body).packages
    except NotFound:
        return _refused(shipment, "Amazon does not know this order; check that it belongs to this account")
    except BadDocument:  # the order cannot be read, so nothing shows the parcel there
        packages = ()
    if any(_same(package, shipment) for package in packages):
        return Ack(key=shipment.key, state=AckState.APPLIED)
    cure = "compare the order in Seller Central and correct the shipment"
    if shipment.corrects and any(_bare(package.tracking) == _bare(shipment.corrects) for package in packages):
        why = f"Amazon keeps the parcel's old tracking number {shipment.corrects} ({reason(error.body)})"
        return _refused(shipment, f"{why}; enter the new one there, in Seller Central under Manage Orders")
    if b"PackageToUpdateNotFound" in error.body:
        return _refused(shipment, f"Amazon holds these units as shipped already, with other tracking; {cure}")
    doubt = carriers.doubt(shipment.carrier, shipment.tracking)
    said = f"{reason(error.body)}, and {doubt}" if doubt else reason(error.body)
    return _refused(shipment, f"Amazon refuses the parcel ({said}); {cure}")


def _same(package: Package, shipment: Shipment) -> bool:
    """Whether a parcel Amazon shows is this one: its tracking, and its units where Amazon names them."""
    if _bare(package.tracking) != _bare(shipment.tracking):
        return False
    return not package.lines or dict(package.lines) == dict(shipment.lines)


def _bare(tracking: str) -> str:
    return re.sub(r"[\s-]", "", tracking).upper()


def _refused(shipment: Shipment, why: str) -> Ack:
    return Ack(key=shipment.key, state=AckState.REFUSED, reason=why)
