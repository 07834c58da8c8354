"""The far end of one Shopify shop: the Admin GraphQL API 2026-10, executed over our own part of its schema.

Stricter than the schema: the token's header and life (see `door`), points (1,000 a request, a bucket refilled by plan),
`first` at most 250 and never left out, 250 rows an input list, 25,000 rows behind one query, the search syntax,
`@idempotent` and `changeFromQuantity` on quantities, one location and one order a fulfilment, and never more than is
left of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import msgspec
from werkzeug.wrappers import Request, Response

from connectors.shopify.simulator import bodies, returning
from connectors.shopify.simulator.bulk import FOLDER, Bulk
from connectors.shopify.simulator.cancelling import Jobs
from connectors.shopify.simulator.door import Door
from connectors.shopify.simulator.endpoint import BUCKET_SECONDS, MOST_POINTS, SCHEMA, Endpoint, as_json
from connectors.shopify.simulator.refunding import cancel_units
from connectors.shopify.simulator.shop import Shop, units_by_sku
from connectors.shopify.simulator.webhooks import Happenings, Subscription, Webhooks
from connectors.shopify.simulator.world import World
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
from core.model import Call

VERSION = "2026-10"
PATH = f"/admin/api/{VERSION}/graphql.json"
TOKEN_PATH = "/admin/oauth/access_token"  # noqa: S105 - a path
JOB_SECONDS = 1.0
"""From when a job is asked for until it has run."""

_UNKNOWN_TOKEN = "[API] Invalid API key or access token (unrecognized login or wrong password)"  # noqa: S105


class ShopifySimulator(Simulator):
    """One shop with two locations."""

    connector = "shopify"
    rehearsal = MappingProxyType({"hint_speed": 1000.0})
    places: tuple[str, ...] = ("gid://shopify/Location/101", "gid://shopify/Location/102")
    hardest = MappingProxyType({"rotating": True, "token_seconds": 20.0})

    def __init__(
        self,
        *,
        name: str = "",
        listings: Iterable[SimulatedListing] = (),
        faults: FaultPlan | None = None,
        seed: int = 0,
        pace: float = 1.0,
        plan_points: int = 100,
        places: Sequence[str] | None = None,
        rotating: bool = False,
        token_seconds: float | None = None,
        hint_speed: float = 1.0,
        whole_seconds: bool = True,
    ) -> None:
        """`plan_points` are what the shop's plan restores a second; `pace` multiplies them. `rotating`: the app's
        access tokens live an hour, and each refresh answers a new refresh token; see `Door`. `token_seconds` is
        another life. `hint_speed` divides the waits between two tries of a webhook. Without `whole_seconds` each change
        has an instant of its own, which Shopify's have not: for tests that cannot wait."""
        if places is not None:
            self.places = tuple(places)
        self.shop = Shop(name or self.connector, self.places, whole_seconds=whole_seconds)
        super().__init__(name=name, listings=listings, faults=faults, seed=seed)
        self.answers_as = VERSION
        """The API version it says it answered by: another one once ours is retired."""
        self.door = Door(self.name, rotating=rotating, life=token_seconds)
        self.jobs = Jobs(self.shop, JOB_SECONDS / pace)
        self.webhooks = Webhooks(
            f"{self._shop}.myshopify.com", self.door.client_secret, self.shop.gid, self.faults, hint_speed, VERSION
        )
        self.world = World(self.shop, self.jobs, self.webhooks, lambda: self.faults.strikes(Fault.REPEATED_PAGE))
        self.bulk = Bulk(SCHEMA, self.world, JOB_SECONDS / pace)
        self.world.operations = self.bulk
        self._happenings = Happenings(self.shop, self.webhooks)
        size = float(max(plan_points * BUCKET_SECONDS, MOST_POINTS))
        self.graphql = Endpoint(self.world, self.calls, self.violations, restore=plan_points * pace, size=size)

    # The far end's people.

    def offer(self, listing: SimulatedListing) -> None:
        with self.lock:
            self.shop.offer(listing)
            self._tell()

    def place(self, order: SimulatedOrder) -> str:
        with self.lock:
            number = self.shop.place(order).number
            self._tell()
            return number

    def cancel(self, number: str, *, sku: str | None = None, quantity: int | None = None) -> None:
        with self.lock:
            cancel_units(self.shop, number, sku, quantity)
            self._tell()

    def confirm(self, number: str) -> None:
        with self.lock:
            self.shop.confirm(number)
            self._tell()

    def drift(self, number: str) -> None:
        with self.lock:
            self._write_total(number, lambda amount: f"USD {amount}")

    def mend(self, number: str) -> None:
        with self.lock:
            self._write_total(number, lambda amount: amount.removeprefix("USD "))

    def _write_total(self, number: str, write: Callable[[str], str]) -> None:
        """Its total anew: a Decimal is a scalar of the vendor's own, and its text the vendor's to choose."""
        order = self.shop.orders[number]
        money = order.totalPriceSet["shopMoney"]
        written = {**money, "amount": write(money["amount"])}
        order.totalPriceSet = {**order.totalPriceSet, "shopMoney": written}

    def truths(self) -> dict[str, OrderTruth]:
        with self.lock:
            return {
                number: OrderTruth(
                    number=number,
                    ordered=units_by_sku((line.sku, line.quantity) for line in order.lines),
                    # A refund of what has left lowers the current quantity too, and cancels nothing.
                    cancelled=units_by_sku(
                        (line.sku, line.quantity - line.shipped - line.unfulfilledQuantity) for line in order.lines
                    ),
                    shipped=units_by_sku((line.sku, line.shipped) for line in order.lines),
                    acknowledged=True,
                    by_channel=False,
                    refunded=sum((refund.amount for refund in order.refunds), Decimal(0)),
                )
                for number, order in self.shop.orders.items()
            }

    def effects(self) -> Sequence[Effect]:
        with self.lock:
            found = [
                (parcel.createdAt, order.number, parcel)
                for order in self.shop.orders.values()
                for parcel in order.shipped
                if parcel.status != "CANCELLED"
            ]
        return [
            Effect(
                order=number,
                tracking=next((tracking["number"] or "" for tracking in parcel.trackingInfo), ""),
                carrier=next((tracking["company"] or "" for tracking in parcel.trackingInfo), ""),
                lines=units_by_sku((row.lineItem.sku, row.quantity) for row in parcel.lines),
            )
            for _, number, parcel in sorted(found, key=lambda entry: entry[0])
        ]

    def refunds(self) -> Sequence[RefundEffect]:
        with self.lock:
            made = [(order.number, refund) for order in self.shop.orders.values() for refund in order.refunds]
        return [
            RefundEffect(
                order=number,
                number=refund.id.rpartition("/")[2],
                amount=refund.amount,
                lines=units_by_sku((row.lineItem.sku, row.quantity) for row in refund.lines),
            )
            for number, refund in sorted(made, key=lambda entry: entry[1].createdAt)
            if refund.amount
        ]

    def levels(self) -> dict[tuple[str, str], int]:
        with self.lock:
            return {
                (item.sku, place): level.available
                for item in self.shop.items.values()
                for place, level in item.levels.items()
            }

    def send_back(self, number: str, sku: str, quantity: int) -> str:
        with self.lock:
            asked = returning.request(self.shop, self.shop.orders[number], {sku: quantity})
            self._tell()
            return asked.id.rpartition("/")[2]

    def settle_feeds(self) -> None:
        with self.lock:
            self.jobs.run(all_=True)
            self.bulk.run(all_=True)
            self._tell()

    def config(self) -> dict[str, Any]:
        return {
            "connector": self.connector,
            "base_url": self.base_url,
            "shop": self._shop,
            "client_id": self.door.client_id,
            "client_secret": f"secret:{self._secret('SECRET')}",
            **({"refresh_token": f"secret:{self._secret('REFRESH')}"} if self.door.rotating else {}),
        }

    def secrets(self) -> dict[str, str]:
        named = {"SECRET": self.door.client_secret, "REFRESH": self.door.first_refresh}
        return {self._secret(what): value for what, value in named.items() if value}

    @property
    def _shop(self) -> str:
        return re.sub("[^a-z0-9-]", "-", self.name.lower())

    def _secret(self, what: str) -> str:
        return f"SHOPIFY_{re.sub('[^A-Z0-9]', '_', self.name.upper())}_{what}"

    def issue_token(self) -> str:
        """A token that is valid for a day, as the admin shows one for a custom app."""
        with self.lock:
            return self.door.issue()

    def expire_tokens(self) -> None:
        """No token issued so far is valid any longer."""
        with self.lock:
            self.door.expire()

    # Webhooks.

    def _tell(self) -> None:
        """Whatever has happened by now is told to those who want to know; before there are any, nobody does."""
        if hasattr(self, "_happenings"):
            self._happenings.tell()

    def start(self, port: int = 0) -> str:
        self.webhooks.deliveries.start()
        return super().start(port)

    def stop(self) -> None:
        super().stop()
        self.webhooks.deliveries.stop()

    def route(self, outside: str, inside: str) -> None:
        self.webhooks.deliveries.route(outside, inside)

    def uninstall(self) -> None:
        """The shop's owner removes the app: its tokens die, it gets none any more, and is told so once."""
        with self.lock:
            self.door.remove()
            domain = f"{self._shop}.myshopify.com"
            self.webhooks.happened([("APP_UNINSTALLED", lambda: {"id": 1, "name": self.name, "domain": domain})])
            self.webhooks.subscriptions.clear()

    def install(self) -> None:
        """The owner takes the app back."""
        with self.lock:
            self.door.install()

    def ask_to_erase(self, *numbers: str) -> None:
        """A buyer wants to be forgotten: customers/redact is sent where the app's configuration says."""
        with self.lock:
            domain = f"{self._shop}.myshopify.com"
            buyer = {"id": 1, "email": "ada@example.test", "phone": "555-0100"}
            body = {
                "shop_id": 1,
                "shop_domain": domain,
                "customer": buyer,
                "orders_to_redact": [int(n) for n in numbers],
            }
            self.webhooks.comply("customers/redact", body)

    # As the conformance suite asks for it.

    def event(self, number: str, *, at: datetime | None = None) -> Call:
        with self.lock:
            order = bodies.order(self.shop.orders[number])
            if at is not None:
                order["updated_at"] = at.isoformat()
            return self.webhooks.call("orders/updated", msgspec.json.encode(order), at)

    def sign(self, body: bytes) -> Call:
        return self.webhooks.call("orders/updated", body)

    def told(self) -> list[str]:
        with self.lock:
            return sorted(one.uri for one in self.webhooks.subscriptions.values() if one.topic == "ORDERS_CREATE")

    def subscribe(self, address: str) -> None:
        """Somebody subscribes an address by hand, in another form than ours."""
        with self.lock:
            number = self.shop.gid("WebhookSubscription")
            self.webhooks.subscriptions[number] = Subscription(
                number,
                "ORDERS_CREATE",
                address,
                "2026-11-01T00:00:00Z",
                "2026-11-01T00:00:00Z",
                filter="total_price:>=1",
            )

    def unsubscribe(self) -> None:
        with self.lock:
            self.webhooks.subscriptions.clear()

    # The API.

    def is_write(self, request: Request) -> bool:
        if request.path == TOKEN_PATH:
            return self.door.rotating
        return request.path == PATH and b'"mutation ' in request.get_data()

    def throttled(self, after: int | None) -> Response:
        response = as_json({"errors": "Exceeded 2 calls per second for api client."}, 429)
        if after is not None:
            response.headers["Retry-After"] = str(float(after))
        return response

    def handle(self, request: Request) -> Response:
        if request.path == TOKEN_PATH:
            with self.lock:
                self.calls["access_token"] += 1
                return self.door.answer(request)
        if request.path.startswith(FOLDER):
            return self.bulk.serve(request)
        if request.path != PATH:
            return as_json({"errors": "Not Found"}, 404)
        if request.method != "POST":
            return as_json({"errors": "Method Not Allowed"}, 405)
        with self.lock:
            token = request.headers.get("X-Shopify-Access-Token", "")
            if self.door.has_served(token) and self.faults.strikes(Fault.TOKEN_EXPIRY):
                self.door.expire(token)
            if not self.door.admits(token):
                return as_json({"errors": _UNKNOWN_TOKEN}, 401)
            self.jobs.run()
            self.bulk.base_url = self.base_url
            self.bulk.run()
            if request.mimetype != "application/json":
                return as_json({"errors": "Unsupported Media Type"}, 415)
            response = self.graphql.answer(request.get_data())
            self._tell()
        response.headers["X-Shopify-API-Version"] = self.answers_as
        return response
