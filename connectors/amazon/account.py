"""One seller account at the Selling Partner API: requests built by python-amazon-sp-api, sent over our careful wire.

The SDK raises only on a JSON body with `errors`; anything else, an empty 500 or a page of HTML, it takes for an answer.
So it is used for what it knows well (paths, parameters, forms) and for nothing else: the wire judges statuses, puts the
token on and renews it, keeps the budgets and retries; answers are read from their bytes, never through floats; nothing
passes the SDK's log lines, which would hold the token and the buyers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import httpx
import msgspec
from sp_api.api.feeds.feeds_2021_06_30 import FeedsV20210630
from sp_api.api.inventories.inventories import Inventories
from sp_api.api.listings_items.listings_items_2021_08_01 import ListingsItemsV20210801
from sp_api.api.notifications.notifications import Notifications
from sp_api.api.orders.orders_2026_01_01 import OrdersV20260101
from sp_api.api.orders.orders_v0 import OrdersV0
from sp_api.api.reports.reports import Reports
from sp_api.api.sellers.sellers import Sellers
from sp_api.auth import AccessTokenClient, AccessTokenResponse, Credentials
from sp_api.base import Marketplaces, fill_query_params, sp_endpoint
from sp_api.base._core import prepare_request, resolve_method
from sp_api.base._transport_httpx import HttpxTransport
from sp_api.base.credential_provider import FromCodeCredentialProvider

from connectors.amazon.outbound import Outbound
from connectors.amazon.settings import AmazonSettings
from core import http
from core.budgets import Budget, Reading
from core.credentials import DEADLINE, Granted, Keeper, Memory, Tokens, origin
from core.errors import Rejected, Unauthorized, Unavailable

BUDGETS = {
    "searchOrders": Budget(0.0056, 20),
    "getOrder": Budget(0.5, 30),
    "confirmShipment": Budget(2, 10),
    "patchListingsItem": Budget(5, 5),
    "getListingsItem": Budget(5, 10),
    "searchListingsItems": Budget(5, 5),
    "createFeedDocument": Budget(0.5, 15),
    "createFeed": Budget(0.0083, 15),
    "getFeed": Budget(2, 15),
    "getFeeds": Budget(0.0222, 10),
    "getFeedDocument": Budget(0.0222, 10),
    "createReport": Budget(0.0167, 15),
    "getReport": Budget(2, 15),
    "getReports": Budget(0.0222, 10),
    "getReportDocument": Budget(0.0167, 15),
    "getInventorySummaries": Budget(2, 2),
    "createFulfillmentOrder": Budget(2, 30),
    "listAllFulfillmentOrders": Budget(2, 30),
    "getFulfillmentOrder": Budget(2, 30),
    "cancelFulfillmentOrder": Budget(2, 30),
    "getMarketplaceParticipations": Budget(0.016, 15),
    "getDestinations": Budget(1, 5),
    "createDestination": Budget(1, 5),
    "getSubscriptions": Budget(1, 5),
    "createSubscription": Budget(1, 5),
    "deleteSubscriptionById": Budget(1, 5),
}
"""The vendor's default usage plan: requests a second and burst, for each operation of one account."""

OPERATIONS = tuple(
    (method, re.compile(path), name)
    for method, path, name in (
        ("GET", r"/orders/2026-01-01/orders$", "searchOrders"),
        ("GET", r"/orders/2026-01-01/orders/[^/]+$", "getOrder"),
        ("POST", r"/orders/v0/orders/[^/]+/shipmentConfirmation$", "confirmShipment"),
        ("PATCH", r"/listings/2021-08-01/items/[^/]+/[^/]+$", "patchListingsItem"),
        ("GET", r"/listings/2021-08-01/items/[^/]+/[^/]+$", "getListingsItem"),
        ("GET", r"/listings/2021-08-01/items/[^/]+$", "searchListingsItems"),
        ("POST", r"/feeds/2021-06-30/documents$", "createFeedDocument"),
        ("GET", r"/feeds/2021-06-30/documents/[^/]+$", "getFeedDocument"),
        ("POST", r"/feeds/2021-06-30/feeds$", "createFeed"),
        ("GET", r"/feeds/2021-06-30/feeds$", "getFeeds"),
        ("GET", r"/feeds/2021-06-30/feeds/[^/]+$", "getFeed"),
        ("POST", r"/reports/2021-06-30/reports$", "createReport"),
        ("GET", r"/reports/2021-06-30/reports$", "getReports"),
        ("GET", r"/reports/2021-06-30/reports/[^/]+$", "getReport"),
        ("GET", r"/reports/2021-06-30/documents/[^/]+$", "getReportDocument"),
        ("GET", r"/fba/inventory/v1/summaries$", "getInventorySummaries"),
        ("POST", r"/fba/outbound/2020-07-01/fulfillmentOrders$", "createFulfillmentOrder"),
        ("GET", r"/fba/outbound/2020-07-01/fulfillmentOrders$", "listAllFulfillmentOrders"),
        ("GET", r"/fba/outbound/2020-07-01/fulfillmentOrders/[^/]+$", "getFulfillmentOrder"),
        ("PUT", r"/fba/outbound/2020-07-01/fulfillmentOrders/[^/]+/cancel$", "cancelFulfillmentOrder"),
        ("GET", r"/sellers/v1/marketplaceParticipations$", "getMarketplaceParticipations"),
        ("GET", r"/notifications/v1/destinations$", "getDestinations"),
        ("POST", r"/notifications/v1/destinations$", "createDestination"),
        ("GET", r"/notifications/v1/subscriptions$", "getSubscriptions"),
        ("POST", r"/notifications/v1/subscriptions/[^/]+$", "createSubscription"),
        ("DELETE", r"/notifications/v1/subscriptions/[^/]+/[^/]+$", "deleteSubscriptionById"),
    )
)

REPEATABLE = frozenset({"patchListingsItem", "createFeedDocument", "createReport", "cancelFulfillmentOrder"})
"""Writes that may be repeated at once: the same absolute quantity, or one more document or report nobody uses."""

LARGE = 120.0
"""Seconds a feed's document may take on its way, where ordinary exchanges have `core.http.DEADLINE`."""


class _Grant(msgspec.Struct):
    access_token: str
    expires_in: float


class _Refusal(msgspec.Struct):
    error: str = ""


class Login(AccessTokenClient):  # type: ignore[misc] # the SDK has no types
    """Login with Amazon for one account: the SDK's form, our token, no cache shared between accounts."""

    def __init__(
        self, refresh_token: str | None = None, credentials: Any = None, proxies: Any = None, verify: Any = True
    ) -> None:
        self.cred = Credentials(refresh_token, credentials)
        self.introduce("", "", Memory())

    def introduce(self, account: str, url: str, keeper: Keeper) -> None:
        """Whose tokens these are, where they are fetched and where they are kept."""
        self.account, self.url = account, url
        came_from = origin(url, self.cred.client_id, self.cred.refresh_token)
        self.tokens = Tokens(self._fetch, account=account, keeper=keeper, origin=came_from)

    def get_auth(self) -> AccessTokenResponse:
        return AccessTokenResponse(access_token=self.tokens.get())

    def prove(self) -> None:
        """Fetches a token nobody uses."""
        self._fetch("")

    def _fetch(self, refresh: str) -> Granted:
        """Amazon's refresh token stays the same: the settings' own."""
        response = self._transport.request("POST", self.url, data=self.data, headers=self.headers)
        if response.status_code == 200:
            grant = http.decode(response, _Grant)
            if not grant.access_token or grant.expires_in <= 0:
                raise Unavailable("Login with Amazon answered without a token")
            return Granted(grant.access_token, grant.expires_in)
        error = http.decode(response, _Refusal).error
        if error in ("invalid_grant", "invalid_client", "unauthorized_client", "access_denied"):
            raise Unauthorized(
                f"Login with Amazon refuses the credentials of {self.account} ({error}); "
                "authorise the application again and renew refresh_token, client_id and client_secret"
            )
        raise Rejected(f"Login with Amazon refuses the token request of {self.account}", status=response.status_code)


class Grantless(Login):
    """The application's own login, without a seller: what the destinations of notifications are kept under."""

    @property
    def data(self) -> dict[str, str]:
        form: dict[str, str] = self.grantless_data(Notifications.grantless_scope)
        return form


class _Rest(Reports, Inventories, Sellers, Notifications):  # type: ignore[misc] # no types
    """What is neither orders nor listings nor feeds."""


class Seller(OrdersV20260101, ListingsItemsV20210801, FeedsV20210630, _Rest, OrdersV0, Outbound):  # type: ignore[misc]  # no types
    """The SDK's operations we use, as one client. Each returns the wire's answer as it came.

    `get_order` is that of 2026-01-01; `confirm_shipment` lives in v0 only.
    """

    @property
    def headers(self) -> dict[str, str]:
        """What the SDK adds to a request; the token is the wire's to add."""
        return {"content-type": "application/json", "accept": "application/json", "user-agent": "ordersync"}

    def _request(
        self, path: str, *, data: Any = None, params: Any = None, add_marketplace: bool = True, **flags: Any
    ) -> httpx.Response:
        """Sends a request as the SDK would, without its log lines (they hold all that is sent) and its reading."""
        method, params, data = resolve_method(params, data)
        prepared = prepare_request(
            method=method,
            endpoint=self.endpoint,
            path=path,
            params=params,
            data=data,
            headers=self.headers,
            add_marketplace=add_marketplace,
            marketplace_id=self.marketplace_id,
            version=self.version,
        )
        answer: httpx.Response = self._transport.request(**prepared)
        return answer

    # The SDK's own send their path, their method or both spellings of the marketplace, or read the answer themselves.

    @sp_endpoint("/feeds/2021-06-30/documents", method="POST")  # type: ignore[untyped-decorator] # no types
    def create_feed_document(self, content_type: str, *, path: str, method: str) -> httpx.Response:
        return self._post(path, {"method": method, "contentType": content_type})

    @sp_endpoint("/feeds/2021-06-30/feeds", method="POST")  # type: ignore[untyped-decorator] # no types
    def create_feed(self, feed_type: str, document: str, *, path: str, method: str) -> httpx.Response:
        data = {"feedType": feed_type, "inputFeedDocumentId": document, "marketplaceIds": [self.marketplace_id]}
        return self._post(path, {"method": method, **data})

    @sp_endpoint("/feeds/2021-06-30/documents/{}")  # type: ignore[untyped-decorator] # no types
    def get_feed_document(self, document: str, *, path: str, method: str) -> httpx.Response:
        return self._request(fill_query_params(path, document), params={"method": method}, add_marketplace=False)

    @sp_endpoint("/reports/2021-06-30/reports/{}")  # type: ignore[untyped-decorator] # no types
    def get_report(self, report: str, *, path: str, method: str) -> httpx.Response:
        return self._request(fill_query_params(path, report), params={"method": method}, add_marketplace=False)

    @sp_endpoint("/reports/2021-06-30/documents/{}")  # type: ignore[untyped-decorator] # no types
    def get_report_document(self, document: str, *, path: str, method: str) -> httpx.Response:
        return self._request(fill_query_params(path, document), params={"method": method}, add_marketplace=False)

    @sp_endpoint("/notifications/v1/subscriptions")  # type: ignore[untyped-decorator] # no types
    def get_subscriptions(self, *, path: str, method: str, **parameters: Any) -> httpx.Response:
        return self._request(path, params={"method": method, **parameters}, add_marketplace=False)

    @sp_endpoint("/notifications/v1/subscriptions/{}", method="POST")  # type: ignore[untyped-decorator] # no types
    def create_subscription(
        self, kind: str, destination: str, version: str, *, path: str, method: str
    ) -> httpx.Response:
        data = {"destinationId": destination, "payloadVersion": version}
        return self._post(fill_query_params(path, kind), {"method": method, **data})

    @sp_endpoint("/notifications/v1/subscriptions/{}/{}", method="DELETE")  # type: ignore[untyped-decorator] # no types
    def delete_subscription(self, kind: str, subscription: str, *, path: str, method: str) -> httpx.Response:
        return self._request(
            fill_query_params(path, kind, subscription), params={"method": method}, add_marketplace=False
        )

    def _request_grantless_operation(self, path: str, *, data: Any = None, params: Any = None) -> httpx.Response:
        """Destinations, as `Account.application` asks for them: whose token goes along is the wire's to know."""
        return self._request(path, data=data, params=params, add_marketplace=False)

    def _post(self, path: str, data: dict[str, Any]) -> httpx.Response:
        return self._request(path, data=data, add_marketplace=False)


class Account:
    """The account's clients, built when first used: the API with its token, documents without one."""

    def __init__(self, name: str, settings: AmazonSettings, keeper: Keeper) -> None:
        self.name = name
        self.settings = settings
        self._keeper = keeper
        self._seller: Seller | None = None
        self._application: Seller | None = None
        self._documents: httpx.Client | None = None

    @property
    def seller(self) -> Seller:
        if self._seller is None:
            self._seller = self._client(Login, self._keeper)
        return self._seller

    @property
    def application(self) -> Seller:
        """For grantless operations, which refuse the seller's token. Its own is asked for once an hour: not kept."""
        if self._application is None:
            self._application = self._client(Grantless, Memory())
        return self._application

    @property
    def documents(self) -> httpx.Client:
        """For presigned addresses only: they refuse a token, and must not be shown one."""
        if self._documents is None:
            self._documents = http.client(
                self.name, safe=lambda request: True, expect=(403,), deadline=LARGE
            )  # the address itself is the permission: an upload repeated is the same upload
        return self._documents

    def prove(self) -> None:
        """Asks for an access token, whether or not one is kept: `Unauthorized` where the credentials are refused."""
        self.seller._auth.prove()

    def close(self) -> None:
        for client in (self._seller, self._application):
            if client is not None:
                client.close()
                client._auth._transport.close()
        self._seller = self._application = None
        if self._documents is not None:
            self._documents.close()
            self._documents = None

    def _client(self, kind: type[Login], keeper: Keeper) -> Seller:
        settings = self.settings
        self._keeper.budgets.pulling, self._keeper.budgets.fetching = "searchOrders", "getOrder"
        seller = Seller(
            marketplace=Marketplaces.US,  # endpoint and ids are set below, whatever the environment says
            credentials={
                "refresh_token": settings.refresh_token.get_secret_value(),
                "lwa_app_id": settings.client_id,
                "lwa_client_secret": settings.client_secret.get_secret_value(),
            },
            credential_providers=(FromCodeCredentialProvider,),
            auth_token_client_class=kind,
        )
        seller.endpoint = settings.base_url or f"https://sellingpartnerapi-{settings.region}.amazon.com"
        seller.marketplace_id = settings.marketplace_id
        login: Login = seller._auth
        login.introduce(self.name, (settings.auth_url or "https://api.amazon.com") + login.path, keeper)
        login._transport = HttpxTransport(
            client=http.client(
                self.name, expect=(400, 401), safe=lambda request: True, deadline=DEADLINE
            )  # asking twice harms nothing
        )
        seller._transport.close()
        seller._transport = HttpxTransport(
            client=http.client(
                self.name,
                authorise=http.header("x-amz-access-token", login.tokens),
                operation=operation,
                budgets=self._keeper.budgets.plan(budgets(settings.pace)),
                reading=reading,
                stale=token_is_dead,
                safe=lambda request: request.method == "GET" or operation(request) in REPEATABLE,
            )
        )
        return seller


def budgets(pace: float) -> Mapping[str, Budget]:
    """The usage plan with every rate multiplied by `pace`."""
    return {name: Budget(budget.rate * pace, budget.burst) for name, budget in BUDGETS.items()}


def reading(response: httpx.Response) -> Reading | None:
    """The rate that holds for this account and operation, where the answer tells it: `x-amzn-RateLimit-Limit`."""
    try:
        return Reading(rate=float(response.headers["x-amzn-ratelimit-limit"]))
    except (KeyError, ValueError):
        return None


def operation(request: httpx.Request) -> str:
    """The vendor's name of the operation a request calls; empty for none we know."""
    path = request.url.raw_path.partition(b"?")[0].decode("ascii")
    for method, pattern, name in OPERATIONS:
        if method == request.method and pattern.search(path):
            return name
    return ""


class _Error(msgspec.Struct):
    code: str | None = None
    message: str | None = None
    details: str | None = None


class _Errors(msgspec.Struct):
    errors: list[_Error]


def errors(body: bytes) -> list[_Error]:
    """What a refusal says, an empty list where that cannot be read."""
    try:
        return msgspec.json.decode(body, type=_Errors).errors
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []


def token_is_dead(response: httpx.Response) -> bool:
    """Whether a 403 is about the token and not about the account's rights: Amazon answers no 401 there."""
    return any("access token" in (error.details or "").lower() for error in errors(response.content))


def reason(body: bytes) -> str:
    """A refusal in Amazon's words, on one line and not too long, for an operator to read."""
    found = errors(body)
    return "; ".join(plain(f"{error.code}: {error.message}") for error in found[:3]) or "no reason was given"


def plain(text: str) -> str:
    """Vendor text made fit for one line: control characters gone, cut at 300 characters."""
    return re.sub(r"[\x00-\x1f\x7f]+", " ", text)[:300].strip()
