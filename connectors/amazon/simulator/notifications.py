"""The simulated Notifications API: destinations of the application, the seller's subscriptions, and what they send.

`queues` connects a queue, by its ARN, to whatever takes a message's body; a destination whose queue is not connected
swallows its messages, as a queue nobody looks into does.
"""

from __future__ import annotations

import random
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
from werkzeug.wrappers import Request, Response

from connectors.amazon.simulator.book import Entry, iso
from connectors.amazon.simulator.gate import Refused, answer, bad, parameters

TYPE = "ORDER_CHANGE"
VERSION = "1.0"
GRANTLESS = frozenset({"getDestinations", "createDestination", "deleteSubscriptionById"})
"""Operations of the application's own login; the others are the seller's."""

ARN = re.compile(r"arn:aws:sqs:\S+:\S+:\S+")

STATUS = {
    "PENDING": "Pending",
    "UNSHIPPED": "Unshipped",
    "PARTIALLY_SHIPPED": "PartiallyShipped",
    "SHIPPED": "Shipped",
    "CANCELLED": "Canceled",
}
"""Notifications spell statuses the way of the Orders API v0."""


class _Sqs(msgspec.Struct, forbid_unknown_fields=True):
    arn: str


class _Resource(msgspec.Struct, forbid_unknown_fields=True):
    sqs: _Sqs


class _Destination(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    name: str
    resource_specification: _Resource


class _Subscription(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    destination_id: str
    payload_version: str
    processing_directive: dict[str, Any] | None = None


_Body = TypeVar("_Body", _Destination, _Subscription)


@dataclass
class Subscription:
    """One subscription of the seller's to ORDER_CHANGE."""

    number: str
    destination: str
    version: str = VERSION
    directive: dict[str, Any] = field(default_factory=dict)

    def shown(self) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "subscriptionId": self.number,
            "payloadVersion": self.version,
            "destinationId": self.destination,
        }
        return shown | ({"processingDirective": self.directive} if self.directive else {})


class NotificationsApi:
    """Callers hold the simulator's lock."""

    def __init__(self, seller: str, marketplace: str, chance: random.Random) -> None:
        self.seller, self.marketplace = seller, marketplace
        self._chance = chance
        self.queues: dict[str, Callable[[str], None]] = {}
        self.destinations: dict[str, tuple[str, str]] = {}
        """Name and ARN by the destination's id."""
        self.subscriptions: dict[str, Subscription] = {}

    def changed(self, entry: Entry) -> None:
        """Tells every subscription of an order's change."""
        for subscription in self.subscriptions.values():
            arn = self.destinations[subscription.destination][1]
            if arn in self.queues:
                self.queues[arn](self.message(entry, subscription.number))

    def message(self, entry: Entry, subscription: str) -> str:
        """An ORDER_CHANGE notification, each another event."""
        at = iso(entry.updated)
        change = {
            "NotificationLevel": "OrderLevel",
            "SellerId": self.seller,
            "AmazonOrderId": entry.number,
            "OrderChangeType": "BuyerRequestedChange" if entry.wish else "OrderStatusChange",
            "OrderChangeTrigger": {
                "TimeOfOrderChange": at,
                "ChangeReason": "Buyer Requested Cancel" if entry.wish else "Order Status Change",
            },
            "Summary": {
                "MarketplaceId": self.marketplace,
                "OrderStatus": STATUS[entry.status],
                "PurchaseDate": iso(entry.created),
                "DestinationPostalCode": "98109",
                "FulfillmentType": "AFN" if entry.placed.by_channel else "MFN",
                "OrderType": "StandardOrder",
                "OrderItems": [
                    {
                        "OrderItemId": item.number,
                        "SellerSKU": item.sku,
                        "SupplySourceId": "",
                        "Quantity": item.ordered - item.cancelled,
                        "QuantityShipped": item.fulfilled,
                    }
                    for item in entry.items
                ],
            },
        }
        return msgspec.json.encode(
            {
                "NotificationVersion": "1.0",
                "NotificationType": TYPE,
                "PayloadVersion": VERSION,
                "EventTime": at,
                "Payload": {"OrderChangeNotification": change},
                "NotificationMetadata": {
                    "ApplicationId": "amzn1.sellerapps.app.simulated",
                    "SubscriptionId": subscription,
                    "PublishTime": at,
                    "NotificationId": self._id(),
                },
            }
        ).decode()

    def answer(self, operation: str, request: Request, parts: list[str]) -> Response:
        """One of the API's operations."""
        match operation:
            case "getDestinations":
                parameters(request, {})
                return answer({"payload": [self._shown(number) for number in self.destinations]})
            case "createDestination":
                return self._create_destination(request)
            case "getSubscriptions":
                return self._search(request)
            case "createSubscription":
                return self._subscribe(request, *parts)
            case "deleteSubscriptionById":
                return self._unsubscribe(*parts)
            case _:
                raise AssertionError(f"no answer for {operation}")

    def _create_destination(self, request: Request) -> Response:
        asked = _body(request, _Destination)
        arn = asked.resource_specification.sqs.arn
        if not asked.name or len(asked.name) > 256:
            raise bad("name must have 1 to 256 characters")
        if len(arn) > 1000 or not ARN.match(arn):
            raise bad("arn is not the ARN of an SQS queue")
        if any(arn == known for _, known in self.destinations.values()):
            raise Refused(409, "Conflict", "The destination exists already.")
        number = self._id()
        self.destinations[number] = asked.name, arn
        return answer({"payload": self._shown(number)})

    def _search(self, request: Request) -> Response:
        known = {"notificationTypes": True, "payloadVersion": False, "pageSize": False, "nextToken": False}
        given = parameters(request, known)
        _known(given["notificationTypes"])
        size = given.get("pageSize", "30")
        if not size.isdecimal() or not 30 <= int(size) <= 100:
            raise bad("pageSize must be 30 to 100")
        if "nextToken" in given:
            raise bad("nextToken is none that was given")  # no seller has so many
        version = given.get("payloadVersion")
        found = [each.shown() for each in self.subscriptions.values() if version in (None, each.version)]
        return answer({"payload": {"subscriptions": found}})

    def _subscribe(self, request: Request, kind: str) -> Response:
        parameters(request, {})
        _known(kind)
        asked = _body(request, _Subscription)
        if asked.payload_version != VERSION:
            raise bad(f"payloadVersion {asked.payload_version} is none of {kind}")
        if asked.processing_directive is not None:
            raise bad("processingDirective is not simulated")
        if asked.destination_id not in self.destinations:
            raise bad("destinationId is no destination of this application")
        if any(each.version == VERSION for each in self.subscriptions.values()):
            raise Refused(409, "Conflict", "A subscription of this type and payload version exists already.")
        made = Subscription(self._id(), asked.destination_id)
        self.subscriptions[made.number] = made
        return answer({"payload": made.shown()})

    def _unsubscribe(self, kind: str, number: str) -> Response:
        _known(kind)
        if self.subscriptions.pop(number, None) is None:
            raise Refused(404, "NotFound", "There is no such subscription.")
        return answer({})

    def _shown(self, number: str) -> dict[str, Any]:
        name, arn = self.destinations[number]
        return {"destinationId": number, "name": name, "resource": {"sqs": {"arn": arn}}}

    def _id(self) -> str:
        return str(uuid.UUID(int=self._chance.getrandbits(128)))


def _known(kind: str) -> None:
    if kind != TYPE:
        raise bad(f"{kind} is not a notification type of this application")


def _body(request: Request, kind: type[_Body]) -> _Body:
    try:
        return msgspec.json.decode(request.get_data(), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise bad(f"The body cannot be read: {error}") from None
