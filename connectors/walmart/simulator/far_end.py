"""The simulated Walmart account: its server, and the buyers and auditors around it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from werkzeug.wrappers import Request, Response

from connectors.simulation import (
    Effect,
    Fault,
    FaultPlan,
    OrderTruth,
    RefundEffect,
    SimulatedListing,
    SimulatedOrder,
    Simulator,
)
from connectors.walmart.simulator import answers
from connectors.walmart.simulator.account_desk import AccountDesk
from connectors.walmart.simulator.bell import Bell
from connectors.walmart.simulator.book import SELLER, WFS, Book, Parcel, Purchase, PurchaseLine
from connectors.walmart.simulator.cancel_desk import ASKED, CancelDesk
from connectors.walmart.simulator.front_desk import Asked, FrontDesk
from connectors.walmart.simulator.order_desk import OrderDesk
from connectors.walmart.simulator.refund_desk import RefundDesk
from connectors.walmart.simulator.refund_desk import effects_of as refunds_of
from connectors.walmart.simulator.returns_desk import ReturnsDesk
from connectors.walmart.simulator.shelves import Shelves
from connectors.walmart.simulator.shipping_desk import ShippingDesk, effects_of
from connectors.walmart.simulator.stock_desk import StockDesk
from core.model import Call

ONLY_NODE = "10000"
"""The ship node of an account that has one and never names it."""


WALMARTS_TRACKING = {
    "shipDateTime": 1_700_000_000_000,
    "carrierName": {"carrier": "FedEx"},
    "methodCode": "Value",
    "trackingNumber": "WFS-1",
}


class WalmartSimulator(Simulator):
    """One seller account at Walmart Marketplace US.

    `places` are its ship nodes; one empty place is an account with a single node that is never named. `pace` multiplies
    the limits of the usage plan and the speed of feeds. A pending order is not shown to the seller before its payment
    is confirmed, as at the vendor. Feeds take `feed_seconds` over `pace`; tokens live `token_seconds`; `hint_speed`
    divides the waits between two tries of a notification.
    """

    connector = "walmart"
    rehearsal = MappingProxyType({"pace": 300.0, "hint_speed": 1000.0})

    def __init__(
        self,
        *,
        name: str = "",
        listings: Iterable[SimulatedListing] = (),
        faults: FaultPlan | None = None,
        seed: int = 0,
        pace: float = 1.0,
        places: Sequence[str] = ("100009", "361451"),
        feed_seconds: float = 60.0,
        token_seconds: float = 900.0,
        hint_speed: float = 1.0,
    ) -> None:
        self.places = tuple(places)
        self.pace = pace
        self._node_of = {place: place or ONLY_NODE for place in self.places}
        self._shelves = Shelves(list(self._node_of.values()), feed_seconds / pace)
        super().__init__(name=name, listings=listings, faults=faults, seed=seed)
        self._client_id = f"{self.name}-client"
        self._client_secret = f"{self.random.getrandbits(128):032x}"
        self._book = Book()
        self._pending: dict[str, Purchase] = {}
        self._front = FrontDesk(
            client_id=self._client_id,
            client_secret=self._client_secret,
            token_seconds=token_seconds,
            pace=pace,
            random=self.random,
        )
        self._orders = OrderDesk(self._book, self._millis, lambda: self.faults.strikes(Fault.REPEATED_PAGE))
        self._cancelling = CancelDesk(self._book, self._shelves, self._orders, self._millis)
        self._shipping = ShippingDesk(self._book, self._orders, self._millis)
        self._refunding = RefundDesk(self._book, self._orders, self._millis)
        self._returns = ReturnsDesk(self._refunding, self._millis)
        self.account = AccountDesk(self._shelves.nodes)
        self._stock = StockDesk(self._shelves, self.random)
        self.bell = Bell(self.random, self.faults, hint_speed)

    # The far end's people.

    def offer(self, listing: SimulatedListing) -> None:
        with self.lock:
            units = {self._node_of.get(place, place): count for place, count in listing.quantities.items()}
            self._shelves.offer(listing, units)

    def place(self, order: SimulatedOrder) -> str:
        with self.lock:
            wanted: Counter[str] = Counter()
            for line in order.lines:
                wanted[line.sku] += line.quantity
            kind = WFS if order.by_channel else SELLER
            node = "" if order.by_channel else self._shelves.node_for(wanted)
            placed = self._millis() if order.placed_at is None else int(order.placed_at.timestamp() * 1000)
            lines = []
            for number, line in enumerate(order.lines, 1):
                item = self._shelves.items.get(line.sku)
                price = line.price if line.price is not None else item.price if item is not None else Decimal("10.00")
                title = item.title if item is not None else line.sku
                lines.append(PurchaseLine(str(number), line.sku, title, price, line.quantity))
                lines[-1].taken = self._shelves.take(line.sku, node, line.quantity)
            purchase = Purchase(self._new_number(13), self._new_number(15), kind, node, placed, lines)
            purchase.buyer = {
                "name": order.name,
                "email": order.email,
                "line1": order.line1,
                "city": order.city,
                "region": order.region,
                "postal_code": order.postal_code,
            }
            if order.pending:
                self._pending[purchase.number] = purchase
            else:
                self._book.add(purchase)
                self.bell.rings("PO_CREATED", purchase)
            return purchase.number

    def cancel(self, number: str, *, sku: str | None = None, quantity: int | None = None) -> None:
        with self.lock:
            purchase = self._pending.get(number) or self._book.by_number[number]
            left = quantity
            touched = []
            for line in purchase.lines:
                if sku is not None and line.sku != sku:
                    continue
                units = line.open
                units = units if left is None else min(units, left)
                if not units:
                    continue
                self._cancelling.take_back(purchase, line, units, ASKED)
                touched.append(line)
                left = None if left is None else left - units
            if touched and number not in self._pending:
                self._book.touch(purchase, self._millis(), *touched)
                self.bell.rings("PO_LINE_AUTOCANCELLED", purchase)

    def drift(self, number: str) -> None:
        with self.lock:
            self._purchase(number).drift(True)

    def mend(self, number: str) -> None:
        with self.lock:
            self._purchase(number).drift(False)

    def _purchase(self, number: str) -> Purchase:
        return self._pending.get(number) or self._book.by_number[number]

    def ship_itself(self, number: str) -> None:
        """Walmart ships one of its own orders."""
        with self.lock:
            purchase = self._book.by_number[number]
            for line in purchase.lines:
                line.parcels.append(Parcel(line.open, WALMARTS_TRACKING, 0, self._millis()))
                line.created = line.acknowledged = 0
            self._book.touch(purchase, self._millis(), *purchase.lines)

    def ask_to_cancel(self, number: str, *, sku: str | None = None) -> None:
        """The buyer asks to cancel what has not shipped yet, and the seller is to answer."""
        with self.lock:
            purchase = self._book.by_number[number]
            for line in purchase.lines:
                if (sku is None or line.sku == sku) and line.open:
                    line.wants_cancel = True
            self._book.touch(purchase, self._millis())
            self.bell.rings("INTENT_TO_CANCEL", purchase)

    def confirm(self, number: str) -> None:
        with self.lock:
            purchase = self._pending.pop(number)
            purchase.touch(self._millis(), *purchase.lines)
            self._book.add(purchase)
            self.bell.rings("PO_CREATED", purchase)

    def truths(self) -> dict[str, OrderTruth]:
        """Every order the seller is shown; see the class for pending ones."""
        with self.lock:
            return {number: _truth(purchase) for number, purchase in self._book.by_number.items()}

    def effects(self) -> Sequence[Effect]:
        with self.lock:
            parcels = [
                (at, Effect(order=purchase.number, tracking=tracking, carrier=carrier, lines=units))
                for purchase in self._book.by_number.values()
                for tracking, carrier, units, at in effects_of(purchase)
            ]
            return [effect for _, effect in sorted(parcels, key=lambda parcel: parcel[0])]

    def refunds(self) -> Sequence[RefundEffect]:
        with self.lock:
            return [effect for purchase in self._book.by_number.values() for effect in refunds_of(purchase)]

    def send_back(self, number: str, sku: str, quantity: int) -> str:
        with self.lock:
            purchase = self._book.by_number[number]
            line = next(line for line in purchase.lines if line.sku == sku and line.shipped)
            return self._returns.send_back(purchase, line, quantity)

    def return_arrives(self, number: str) -> None:
        """The carrier hands the parcel over at the return centre."""
        with self.lock:
            self._returns.returns[number].come("DELIVERED_AT_RETURN_CENTER", "DELIVERED", self._millis())

    def return_called_off(self, number: str) -> None:
        """The buyer keeps it after all."""
        with self.lock:
            self._returns.returns[number].come("RETURN_CANCELLED", "COMPLETED", self._millis())

    def refund_return(self, number: str, units: int | None = None) -> None:
        """Walmart itself refunds a return, as it does some time after it has arrived."""
        with self.lock:
            found = self._returns.returns[number]
            self._returns.give_back(found, found.units - found.refunded if units is None else units)

    def own_stock(self) -> dict[str, int]:
        with self.lock:
            return {item.sku: item.wfs for item in self._shelves.items.values() if item.wfs is not None}

    def levels(self) -> dict[tuple[str, str], int]:
        with self.lock:
            self._shelves.process()
            return {
                (item.sku, place): item.units[node]
                for item in self._shelves.items.values()
                if item.wfs is None
                for place, node in self._node_of.items()
            }

    def config(self) -> dict[str, Any]:
        return {
            "connector": self.connector,
            "base_url": self.base_url,
            "auth_url": self.base_url,
            "client_id": self._client_id,
            "client_secret": f"secret:{self._secret_name}",
            "pace": self.pace,
            "ship_node_types": [SELLER, WFS],
        }

    def secrets(self) -> dict[str, str]:
        return {self._secret_name: self._client_secret}

    def settle_feeds(self) -> None:
        with self.lock:
            self._shelves.process(everything=True)

    def expire_tokens(self) -> None:
        """Every access token dies now."""
        with self.lock:
            self._front.expire()

    # Notifications.

    def start(self, port: int = 0) -> str:
        self.bell.deliveries.start()
        return super().start(port)

    def stop(self) -> None:
        super().stop()
        self.bell.deliveries.stop()

    def route(self, outside: str, inside: str) -> None:
        self.bell.deliveries.route(outside, inside)

    # As the conformance suite asks for it.

    def event(self, number: str, *, at: datetime | None = None) -> Call:
        with self.lock:
            return self.bell.call(self.bell.body(self._book.by_number[number], at))

    def sign(self, body: bytes) -> Call:
        with self.lock:
            return self.bell.call(body)

    def told(self) -> list[str]:
        with self.lock:
            known = self.bell.subscriptions.values()
            return sorted(one.event_url for one in known if (one.event_type, one.status) == ("ORDER_UPDATES", "ACTIVE"))

    def subscribe(self, address: str) -> None:
        """Somebody subscribes an address by hand, without authentication."""
        with self.lock:
            self.bell.subscribe_by_hand(address)

    def unsubscribe(self) -> None:
        with self.lock:
            self.bell.subscriptions.clear()

    @property
    def _secret_name(self) -> str:
        return f"{re.sub('[^A-Z0-9]', '_', self.name.upper())}_CLIENT_SECRET"

    # The server.

    def handle(self, request: Request) -> Response:
        with self.lock:
            try:
                response = self._served(Asked(request))
            except answers.Refused as refused:
                response = refused.response
        if "application/json" not in request.headers.get("Accept", ""):
            return answers.in_xml(response)
        return response

    def is_write(self, request: Request) -> bool:
        return request.method not in ("GET", "HEAD") and request.path != "/v3/token"

    def throttled(self, after: int | None) -> Response:
        return answers.throttled(after)

    def _served(self, asked: Asked) -> Response:
        operation, answer = self._route(asked)
        self.calls[operation] += 1
        if operation != "token":
            if self._front.has_served(asked) and self.faults.strikes(Fault.TOKEN_EXPIRY):
                self._front.expire()
            self._front.admit(asked)
        refusal = self._front.pay(operation)
        if refusal is not None:
            self.violations[operation] += 1
            return refusal
        self._shelves.process()
        response = answer(asked)
        self._front.stamp(response, operation)
        return response

    def _route(self, asked: Asked) -> tuple[str, Callable[[Asked], Response]]:
        orders, stock = self._orders, self._stock
        match asked.method, asked.segments:
            case "POST", ["v3", "token"]:
                return "token", self._front.token
            case "GET", ["v3", "token", "detail"]:
                return "getTokenDetail", self.account.token_detail
            case "GET", ["v3", "settings", "partnerprofile"]:
                return "getPartnerConfigurations", self.account.profile
            case "GET", ["v3", "settings", "shipping", "shipnodes"]:
                return "getAllFulfillmentCenters", self.account.ship_nodes
            case "GET", ["v3", "orders"]:
                return "getAllOrders", orders.search
            case "GET", ["v3", "orders", _]:
                return "getAnOrder", orders.one
            case "POST", ["v3", "orders", _, "acknowledge"]:
                return "acknowledgeOrders", orders.acknowledge
            case "POST", ["v3", "orders", _, "shipping"]:
                return "shippingUpdates", self._shipping.ship
            case "POST", ["v3", "orders", _, "cancel"]:
                return "cancelOrderLines", self._cancelling.cancel
            case "POST", ["v3", "orders", _, "refund"]:
                return "refundOrderLines", self._refunding.refund
            case "GET", ["v3", "returns"]:
                return "getReturns", self._returns.search
            case "POST", ["v3", "returns", _, "refund"]:
                return "issueRefund", self._returns.refund
            case "GET", ["v3", "inventory"]:
                return "getInventory", stock.get_one_number
            case "PUT", ["v3", "inventory"]:
                return "updateInventoryForAnItem", stock.put_one_number
            case "GET", ["v3", "inventories"]:
                return "getMultiNodeInventoryForAllSkuAndAllShipNodes", stock.walk
            case "GET", ["v3", "inventories", _]:
                return "getMultiNodeInventoryForSkuAndAllShipnodes", stock.get_nodes
            case "PUT", ["v3", "inventories", _]:
                return "updateMultiNodeInventory", stock.put_nodes
            case "GET", ["v3", "wfs", "inventory"]:
                return "getWFSInventoryDetails", stock.wfs
            case "POST", ["v3", "feeds"]:
                return "feedInventory", stock.feed
            case "GET", ["v3", "feeds", _]:
                return "getFeedItemStatus", stock.feed_status
            case method, ["v3", "webhooks", *rest]:
                return self._route_webhooks(method, rest)
        raise answers.gateway(404, "URI_NOT_FOUND", "no such address")

    def _route_webhooks(self, method: str, rest: list[str]) -> tuple[str, Callable[[Asked], Response]]:
        match method, rest:
            case "GET", ["subscriptions"]:
                return "getAllSubscriptions", self.bell.list_all
            case "POST", ["subscriptions"]:
                return "createSubscription", self.bell.create
            case "PATCH", ["subscriptions", _]:
                return "updateSubscription", self.bell.update
            case "DELETE", ["subscriptions", _]:
                return "deleteSubscription", self.bell.delete
            case "GET", ["eventTypes"]:
                return "getEventTypes", self.bell.event_types
        raise answers.gateway(404, "URI_NOT_FOUND", "no such address")

    def _millis(self) -> int:
        return int(self.now().timestamp() * 1000)

    def _new_number(self, digits: int) -> str:
        """A number of so many digits that no order has yet."""
        while True:
            number = str(self.random.randrange(10 ** (digits - 1), 10**digits))
            if number not in self._book.by_number and number not in self._pending:
                return number


def _truth(purchase: Purchase) -> OrderTruth:
    ordered: Counter[str] = Counter()
    cancelled: Counter[str] = Counter()
    shipped: Counter[str] = Counter()
    for line in purchase.lines:
        ordered[line.sku] += line.ordered
        cancelled[line.sku] += line.cancelled
        shipped[line.sku] += line.shipped
    return OrderTruth(
        number=purchase.number,
        ordered=dict(ordered),
        cancelled=dict(cancelled),
        shipped=dict(shipped),
        acknowledged=purchase.kind == WFS or not any(line.created for line in purchase.lines),
        by_channel=purchase.kind == WFS,
        refunded=sum((given.amount + given.tax for line in purchase.lines for given in line.refunds), Decimal(0)),
    )
