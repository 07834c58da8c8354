"""The far end of one Amazon seller account: the Selling Partner API as strict as the vendor's.

It serves Login with Amazon (`/auth/o2/token`), the Orders, Listings Items, Feeds and Notifications APIs, and the
store behind the feeds' presigned addresses (`/presigned/`). `AmazonSimulator` says what it lets a test hurry.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote

from werkzeug.wrappers import Request, Response

from connectors.amazon.account import BUDGETS, OPERATIONS
from connectors.amazon.simulator.book import CENT, SHIPPING, Book, Item
from connectors.amazon.simulator.feeds import FeedsApi
from connectors.amazon.simulator.gate import DENIED, Bucket, Login, Refused, answer, refusal
from connectors.amazon.simulator.notifications import GRANTLESS, NotificationsApi
from connectors.amazon.simulator.orders import OrdersApi
from connectors.amazon.simulator.reports import Back, ReportsApi
from connectors.amazon.simulator.shop import Shop
from connectors.amazon.simulator.store import Store
from connectors.amazon.simulator.warehouse import Warehouse
from connectors.simulation import (
    Effect,
    Fault,
    FaultPlan,
    OrderTruth,
    SimulatedLine,
    SimulatedListing,
    SimulatedOrder,
    Simulator,
)

MARKETPLACE = "ATVPDKIKX0DER"


class AmazonSimulator(Simulator):
    """One seller on amazon.com.

    What a test may hurry: `pace` multiplies the usage plan's rates; `data_lag_seconds` is how old a change must be
    before a search finds it (two minutes at Amazon); `landing_seconds` is what an accepted patch takes to show,
    `feed_seconds` what a feed is worked on, `report_seconds` what a report is; `token_seconds` is an access token's
    life. `denied` holds the operations whose role the application lacks.
    """

    connector = "amazon"

    rehearsal = MappingProxyType({"pace": 600.0, "data_lag_seconds": 0.0, "token_seconds": 20.0})

    def __init__(
        self,
        *,
        name: str = "",
        listings: Iterable[SimulatedListing] = (),
        faults: FaultPlan | None = None,
        seed: int = 0,
        pace: float = 1.0,
        data_lag_seconds: float = 120.0,
        landing_seconds: float = 0.2,
        feed_seconds: float = 1.0,
        report_seconds: float = 1.0,
        token_seconds: float = 3600.0,
    ) -> None:
        account = name or self.connector
        self.pace = pace
        self.seller_id = f"A{zlib.crc32(account.encode()):013d}"
        self.book = Book(marketplace=MARKETPLACE, currency="USD", prefix=100 + zlib.crc32(account.encode()) % 900)
        self.shop = Shop(seller=self.seller_id, marketplace=MARKETPLACE, currency="USD", delay=landing_seconds)
        self.warehouse = Warehouse(MARKETPLACE)
        self.denied: set[str] = set()
        self.suspended = False
        super().__init__(name=name, listings=listings, faults=faults, seed=seed)
        self.orders = OrdersApi(self.book, self.faults, data_lag_seconds)
        self.notifications = NotificationsApi(self.seller_id, MARKETPLACE, self.random)
        self.book.changed = self.notifications.changed
        self._store = Store(self.random)
        self.feeds = FeedsApi(self.shop, self.book, self._store, delay=feed_seconds)
        self.reports = ReportsApi(self.book, self._store, delay=report_seconds)
        self.login = Login(
            client_id=f"amzn1.application-oa2-client.{account}",
            client_secret=f"amzn1.oa2-cs.v1.{account}-{self.random.getrandbits(64):016x}",
            refresh_token=f"Atzr|{account}-{self.random.getrandbits(64):016x}",
            life=token_seconds,
            chance=self.random,
        )
        self._buckets = {operation: Bucket(plan.rate * pace, plan.burst) for operation, plan in BUDGETS.items()}

    # The far end's people.

    def offer(self, listing: SimulatedListing) -> None:
        with self.lock:
            self.shop.offer(listing, self.book.tick())
            if listing.by_channel:
                self.warehouse.put(listing.sku, listing.quantities.get("", 0))

    def place(self, order: SimulatedOrder) -> str:
        with self.lock:
            entry = self.book.add(
                order, [self._item(line, first) for first, line in zip(_firsts(), order.lines, strict=False)]
            )
            for line in order.lines:
                if order.by_channel:
                    self.warehouse.sell(line.sku, line.quantity)
                else:
                    self.shop.move(line.sku, -line.quantity)
            return entry.number

    def cancel(self, number: str, *, sku: str | None = None, quantity: int | None = None) -> None:
        with self.lock:
            entry = self.book.orders[number]
            for item in entry.items:
                if sku is not None and item.sku != sku:
                    continue
                units = item.open if quantity is None else min(item.open, quantity)
                item.cancelled += units
                if quantity is not None:
                    quantity -= units
                if not entry.placed.by_channel:
                    self.shop.move(item.sku, units)
            self.book.touch(entry)

    def drift(self, number: str) -> None:
        with self.lock:
            self.book.drifted.add(number)

    def mend(self, number: str) -> None:
        with self.lock:
            self.book.drifted.discard(number)

    def ask_to_cancel(self, number: str, why: str = "Ordered by mistake") -> None:
        """The buyer asks the seller to cancel; nothing is cancelled by that."""
        with self.lock:
            entry = self.book.orders[number]
            entry.wish = why
            self.book.touch(entry)

    def withdraw_wish(self, number: str) -> None:
        """The buyer wants the order after all."""
        self.ask_to_cancel(number, "")

    def confirm(self, number: str) -> None:
        with self.lock:
            entry = self.book.orders[number]
            entry.pending = False
            self.book.touch(entry)

    def send_back(self, number: str, sku: str, quantity: int) -> str:
        with self.lock:
            entry = self.book.orders[number]
            item = next(each for each in entry.items if each.sku == sku)
            if item.fulfilled < quantity:
                raise ValueError(f"of {sku} only {item.fulfilled} have shipped")
            back = Back(
                rma=f"D{len(self.reports.returned) + 1:06d}RRMA",
                order=number,
                item=item.number,
                sku=sku,
                asin=item.asin,
                title=item.title,
                units=quantity,
                asked=self.book.tick(),
            )
            self.reports.returned.append(back)
            return back.rma

    def own_stock(self) -> dict[str, int]:
        with self.lock:
            return self.warehouse.sellable()

    def truths(self) -> dict[str, OrderTruth]:
        with self.lock:
            return self.book.truths()

    def effects(self) -> Sequence[Effect]:
        with self.lock:
            return self.book.effects()

    def levels(self) -> dict[tuple[str, str], int]:
        with self.lock:
            self._catch_up()
            own = (each for each in self.shop.listings.values() if not each.by_channel)
            return {(each.sku, ""): each.quantity for each in own}

    def settle_feeds(self) -> None:
        with self.lock:
            self._catch_up(at_once=True)

    def config(self) -> dict[str, Any]:
        return {
            "connector": self.connector,
            "base_url": self.base_url,
            "auth_url": self.base_url,
            "seller_id": self.seller_id,
            "marketplace_id": MARKETPLACE,
            "region": "na",
            "client_id": self.login.client_id,
            "client_secret": f"secret:{self._secret('CLIENT_SECRET')}",
            "refresh_token": f"secret:{self._secret('REFRESH_TOKEN')}",
            "pace": self.pace,
            "landing_seconds": 1.0 + 5 * self.shop.delay,
        }

    def secrets(self) -> dict[str, str]:
        return {
            self._secret("CLIENT_SECRET"): self.login.client_secret,
            self._secret("REFRESH_TOKEN"): self.login.refresh_token,
        }

    # The API.

    def is_write(self, request: Request) -> bool:
        return super().is_write(request) and request.path != "/auth/o2/token"

    def throttled(self, after: int | None) -> Response:
        response = refusal(_quota())
        if after is not None:
            response.headers["Retry-After"] = str(after)
        return response

    def handle(self, request: Request) -> Response:
        path = request.environ["RAW_URI"].partition("?")[0]
        with self.lock:
            self._catch_up()
            if request.method == "POST" and path == "/auth/o2/token":
                self.calls["token"] += 1
                return self.login.grant(request)
            if path.startswith("/presigned/") and request.method in ("GET", "PUT"):
                self.calls["upload" if request.method == "PUT" else "download"] += 1
                return self._store.presigned(request, path.removeprefix("/presigned/"))
            try:
                response = self._answered(request, path)
            except Refused as error:
                response = refusal(error)
            response.headers["x-amzn-RequestId"] = f"{self.random.getrandbits(128):032x}"
            return response

    def _answered(self, request: Request, path: str) -> Response:
        operation, parts = _route(request.method, path)
        token = request.headers.get("x-amz-access-token")
        if token in self.login.used and self.faults.strikes(Fault.TOKEN_EXPIRY):  # a new token works once at least
            self.login.expire(token)
        self.login.check(token, grantless=operation in GRANTLESS)
        self.calls[operation] += 1
        if operation in self.denied:
            raise Refused(403, "Unauthorized", DENIED)
        bucket = self._buckets[operation]
        if not bucket.take():
            self.violations[operation] += 1
            raise _quota()
        if request.get_data() and request.mimetype != "application/json":
            raise Refused(415, "UnsupportedMediaType", "The body must be JSON.")
        try:
            response = self._operation(operation, request, parts)
        except Refused as error:
            response = refusal(error)
        response.headers["x-amzn-RateLimit-Limit"] = f"{bucket.rate:g}"
        return response

    def _operation(self, operation: str, request: Request, parts: list[str]) -> Response:
        now = self.book.now()
        match operation:
            case "searchOrders":
                return self.orders.search(request)
            case "getOrder":
                return self.orders.get(request, *parts)
            case "confirmShipment":
                return self.orders.confirm(request, *parts)
            case "patchListingsItem":
                return self.shop.patch(request, now, *parts)
            case "getListingsItem":
                return self.shop.get(request, *parts)
            case "searchListingsItems":
                return self.shop.search(request, *parts)
            case "createFeedDocument":
                return self.feeds.create_document(request, self.base_url)
            case "createFeed":
                return self.feeds.create(request, now)
            case "getFeeds":
                return self.feeds.search(request)
            case "getFeed":
                return self.feeds.get(request, *parts)
            case "getFeedDocument":
                return self.feeds.get_document(request, self.base_url, *parts)
            case "createReport":
                return self.reports.create(request)
            case "getReports":
                return self.reports.search(request)
            case "getReport":
                return self.reports.get(request, *parts)
            case "getReportDocument":
                return self.reports.get_document(request, self.base_url, *parts)
            case "getInventorySummaries":
                return self.warehouse.summaries(request)
            case "getMarketplaceParticipations":
                return answer({"payload": [self._participation()]})
            case _:
                return self.notifications.answer(operation, request, parts)

    def _catch_up(self, *, at_once: bool = False) -> None:
        """Lets what was accepted earlier take effect, submissions before feeds."""
        self.shop.land(all_of_them=at_once)
        self.feeds.work(all_of_it=at_once)
        self.reports.work(all_of_it=at_once)

    def _participation(self) -> dict[str, Any]:
        return {
            "marketplace": {
                "id": MARKETPLACE,
                "countryCode": "US",
                "name": "Amazon.com",
                "defaultCurrencyCode": "USD",
                "defaultLanguageCode": "en_US",
                "domainName": "www.amazon.com",
            },
            "storeName": self.name,
            "participation": {"isParticipating": True, "hasSuspendedListings": self.suspended},
        }

    def _item(self, line: SimulatedLine, first: bool) -> Item:
        listing = self.shop.listings.get(line.sku)
        price = line.price if line.price is not None else listing.price if listing else Decimal("10.00")
        return Item(
            number="",
            sku=line.sku,
            title=listing.title if listing else line.sku,
            asin=listing.asin if listing else "B000000000",
            ordered=line.quantity,
            price=price,
            discount=(price / 10).quantize(CENT) if self.random.random() < 0.2 else Decimal(0),
            shipping=SHIPPING if first else Decimal(0),
        )

    def _secret(self, what: str) -> str:
        return f"{re.sub(r'[^A-Z0-9]', '_', self.name.upper())}_{what}"


def _firsts() -> Iterator[bool]:
    """True once, for the line that carries the order's shipping; False ever after."""
    yield True
    while True:
        yield False


def _route(method: str, path: str) -> tuple[str, list[str]]:
    """The operation a request calls, and the variable parts of its path, decoded."""
    for wanted, pattern, name in OPERATIONS:
        if wanted == method and pattern.match(path):
            # The pattern's own slashes: one stands in each "[^/]+" as well.
            names = pattern.pattern.removesuffix("$").replace("[^/]+", "*").split("/")
            return name, [unquote(part) for part, word in zip(path.split("/"), names, strict=True) if word == "*"]
    raise Refused(404, "NotFound", "The resource was not found.")


def _quota() -> Refused:
    return Refused(429, "QuotaExceeded", "You exceeded your quota for the requested resource.")
