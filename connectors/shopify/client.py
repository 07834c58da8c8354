"""Shopify's connector: its settings and the contract, each part of it told where it is done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from connectors.shopify import (
    access,
    backfill,
    cancel,
    examine,
    hints,
    orders,
    paging,
    pulling,
    pushes_levels,
    pushes_tracking,
    queries,
    reading,
    refunds,
    returns,
    subscriptions,
    voiding,
)
from connectors.shopify.graph import VERSION, Graph, domain, endpoint
from core.connector import Ability
from core.credentials import Keeper, Memory, Tokens
from core.errors import Rejected
from core.model import (
    Ack,
    Call,
    Cancellation,
    ChannelLevel,
    ChannelListing,
    Finding,
    Hint,
    Level,
    LevelKey,
    Observation,
    Order,
    Page,
    Present,
    Refund,
    Return,
    Shipment,
    Subscribed,
    Voiding,
)
from core.settings import PLACEHOLDER, ChannelSettings, Secret
from core.settings.wrong import wrong

_WAYS = "give access_token, or client_id and client_secret, with refresh_token where the app has one"


class ShopifySettings(ChannelSettings):
    """One shop. The app needs the scopes read_orders (read_all_orders for more than 60 days), read_inventory,
    write_inventory, read_products, read_locations, and read and write of merchant_managed_fulfillment_orders; and
    write_orders to cancel and refund from here, read_returns for returns."""

    shop: Annotated[
        str,
        Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9-]*(\.myshopify\.com)?$", examples=["my-shop", "my-shop.myshopify.com"]),
        PLACEHOLDER,
    ]
    """The shop's name at myshopify.com."""
    access_token: Secret | None = None
    """The Admin API access token of a custom app. Either this, or `client_id` and `client_secret`."""
    client_id: Annotated[str | None, PLACEHOLDER] = Field(default=None, examples=["0123456789abcdef0123456789abcdef"])
    """The client id of an app of your own organisation; its tokens live a day and are fetched as needed."""
    client_secret: Secret | None = None
    """The secret that belongs to `client_id`. The app's webhooks are signed with it, too."""
    refresh_token: Secret | None = None
    """The refresh token the shop gave when it installed an app with tokens of one hour, beside `client_id` and
    `client_secret`. Each renewal brings another one, which the store keeps encrypted: see `encryption_key` in
    ordersync.toml. Needed only once; a new one here takes the place of what is kept."""
    webhook_secret: Secret | None = None
    """The app's client secret (its page calls it API secret key), which its webhooks are signed with, where that is not
    `client_secret`: needed beside `access_token` for Shopify's calls to be told from others'."""
    plan_points: Annotated[int, Field(ge=1, le=100_000)] = 100
    """Points a second that the shop's plan restores: 100, Advanced 200, Plus 1000, Enterprise 2000. Where requests
    begin; from the first answer on, Shopify's own numbers count."""
    notify_customer: bool = True
    """Let Shopify write to the buyer when a parcel is told of or corrected, and when something is cancelled or
    refunded."""
    refund_cancelled: bool = True
    """Have Shopify give back what was paid for units that are cancelled from here, the way it was paid. false: they are
    cancelled and no money moves."""

    @model_validator(mode="after")
    def _one_way_in(self) -> ShopifySettings:
        by_app = self.client_id is not None, self.client_secret is not None
        if self.access_token is not None and (any(by_app) or self.refresh_token is not None):
            raise wrong("access_token and client_id are two ways in", "keep one of them")
        if any(by_app) and not all(by_app):
            raise wrong("client_id and client_secret belong together", _WAYS)
        if self.access_token is None and not all(by_app):
            raise wrong("nothing says how to log in", _WAYS)
        return self

    @property
    def keeps_tokens(self) -> str:
        return "refresh_token" if self.refresh_token is not None else ""

    def tokens(self, account: str, keeper: Keeper) -> Tokens:
        """The shop's access token, whichever way it comes."""
        if self.access_token is not None:
            return access.fixed(self.access_token.get_secret_value())
        if self.client_id is None or self.client_secret is None:
            raise Rejected(f"{account}: {_WAYS}")
        url = access.token_endpoint(self.shop, VERSION, self.auth_url or self.base_url)
        secret = self.client_secret.get_secret_value()
        if self.refresh_token is None:
            return access.of_an_app(account, url, self.client_id, secret, keeper)
        return access.rotating(account, url, self.client_id, secret, self.refresh_token.get_secret_value(), keeper)


class Shopify:
    """One shop, by the Admin GraphQL API 2026-10."""

    Settings: ClassVar[type[ShopifySettings]] = ShopifySettings
    abilities: ClassVar[frozenset[Ability]] = frozenset(
        (
            *(Ability.PUSH_TRACKING, Ability.CORRECT_TRACKING, Ability.VOID_TRACKING, Ability.SETTLE),
            *(Ability.CANCEL, Ability.REFUND, Ability.RETURNS, Ability.ROLL_CALL, Ability.BACKFILL),
            *(Ability.PUSH_LEVELS, Ability.READ_LEVELS, Ability.LISTINGS, Ability.COMPARE_AND_SET, Ability.HINTS),
        )
    )
    absent: ClassVar[Mapping[Ability, str]] = {
        Ability.ACKNOWLEDGE: "Shopify does not ask for orders to be acknowledged",
        Ability.OWN_STOCK: "Shopify has no warehouses of its own",
        Ability.QUEUE: "Shopify's hints come as calls; a queue of its own it has not",
    }

    look_back: ClassVar[timedelta] = timedelta(days=60)
    """Without the scope read_all_orders; who has it pulls more, and is warned in vain once."""

    def __init__(self, name: str, settings: ShopifySettings, keeper: Keeper | None = None) -> None:
        self.name = name
        self.settings = settings
        self._names = {orders.gid("Location", place): place for place in settings.locations.values() if place}
        self._spent: set[str] = set()
        kept = keeper or Memory()
        self._seen = kept.seen
        self._graph = Graph(
            name,
            endpoint(settings.shop, settings.base_url),
            settings.tokens(name, kept),
            points=settings.plan_points,
            budgets=kept.budgets,
        )

        self._past = backfill.Backfill(name, self._graph, places=self._places)

    @property
    def _places(self) -> bool:
        """Whether it matters where a line's units were taken."""
        return len(self._names) > 1

    def pages(self, cursor: str | None, *, since: datetime | None = None) -> Iterator[Page]:
        """Orders by the instant of their last change, oldest first; see `pulling`. Shopify shows 60 days back unless
        the app has the scope read_all_orders."""
        begin = since or self.settings.since(datetime.now(UTC))
        overlap = timedelta(seconds=self.settings.overlap_seconds)
        return pulling.pages(self._graph, cursor, begin, overlap, self._seen, places=self._places)

    def fetch(self, number: str) -> Observation:
        """One order as it stands now, by its number, its global id or its fulfilment order's. Raises `NotFound`."""
        if number.startswith("gid://shopify/FulfillmentOrder/"):
            number = reading.order_of(self._graph, number)
        return orders.observe(reading.whole(self._graph, number, places=self._places))

    def normalize(self, body: bytes) -> Order:
        """See `orders` for what is made of money, units, lines without a parcel, and holds."""
        return orders.normalize(body, self._names)

    def push_tracking(self, shipments: Sequence[Shipment]) -> Iterator[Ack]:
        """Reads what each order still wants fulfilled, then tells of its parcels; see `pushes_tracking`."""
        return pushes_tracking.push(self._graph, shipments, place=self._place, notify=self.settings.notify_customer)

    def push_voids(self, voids: Sequence[Voiding]) -> Iterator[Ack]:
        """Cancels the fulfilments that parcels are; see `voiding`."""
        return voiding.push(self._graph, voids)

    def push_cancellations(self, cancellations: Sequence[Cancellation]) -> Iterator[Ack]:
        """Whole orders by a job at Shopify's, units by a refund; see `cancel`."""
        keys = self.settings
        return cancel.push(self._graph, cancellations, notify=keys.notify_customer, money=keys.refund_cancelled)

    def push_refunds(self, refunds_: Sequence[Refund]) -> Iterator[Ack]:
        """One request a refund, under a key of its own; see `refunds`."""
        return refunds.push(self._graph, refunds_, notify=self.settings.notify_customer)

    def settle(self, pending: Mapping[str, str]) -> Iterator[Ack]:
        """What became of cancelled orders; everything else is answered at once."""
        return cancel.settle(self._graph, pending)

    def returns(self, cursor: str | None, *, since: datetime | None = None) -> Iterator[Page]:
        """The returns of orders that changed; see `returns`."""
        begin = since or self.settings.since(datetime.now(UTC))
        return returns.pages(self._graph, cursor, begin, timedelta(seconds=self.settings.overlap_seconds))

    def normalize_return(self, body: bytes) -> Return:
        """A return with its order's last change as its version; see `returns`."""
        return returns.normalize(body)

    def roll_call(self, *, since: datetime, until: datetime) -> Iterator[Present]:
        """250 orders a request of 13 points; the last 60 days without the scope read_all_orders."""
        for page in paging.placed(self._graph, queries.ROLL_CALL, queries.LISTINGS, since, until):
            for order, at, _ in page:
                yield Present(number=orders.short(order), placed_at=at)

    def backfill(self, cursor: str | None, *, since: datetime, until: datetime) -> Iterator[Page]:
        """Gathered in bulk, a slice at a time; see `backfill`."""
        return self._past.pages(cursor, since, until)

    def push_levels(self, levels: Sequence[Level]) -> Iterator[Ack]:
        """Compares and sets up to 250 quantities a request; see `pushes_levels`."""
        return pushes_levels.push(self._graph, levels, self._place, self._spent)

    def read_levels(self, keys: Sequence[LevelKey]) -> Iterator[ChannelLevel]:
        """What Shopify offers now; an oversold quantity, below zero there, is told as 0."""
        for key, quantity in reading.levels(self._graph, keys, self._place):
            yield ChannelLevel(key=key, quantity=max(0, quantity))

    def listings(self) -> Iterator[ChannelListing]:
        """Every variant; its handle is the global id of its inventory item."""
        return reading.listings(self._graph, lambda location: self._names.get(location, location))

    def examine(self) -> Iterator[Finding]:
        """Credentials, scopes, clock, API version, orders, locations and listings; see `examine`."""
        return examine.examine(self._graph, self.settings.locations)

    def deaf(self) -> str:
        if self._signing_secret is None:
            return (
                "webhook_secret is not set, so nobody can tell Shopify's calls from others; set it to the app's secret"
            )
        return ""

    def hints(self, call: Call) -> Sequence[Hint]:
        """Webhooks, told genuine by their signature; see `hints`."""
        secret = self._signing_secret or ""
        return hints.hints(call, secret, domain(self.settings.shop), self._names.get)

    def subscriptions(self, address: str) -> Subscribed:
        """One webhook subscription a topic; see `subscriptions`."""
        return subscriptions.see_to(self._graph, address, levels=self.settings.push_levels)

    def close(self) -> None:
        self._graph.close()

    @property
    def _signing_secret(self) -> str | None:
        secret = self.settings.webhook_secret or self.settings.client_secret
        return secret.get_secret_value() if secret else None

    def _place(self, place: str) -> str:
        """The global id of a location; the only one there is where none is named, empty where that is unclear."""
        if place:
            return orders.gid("Location", place)
        return next(iter(self._names)) if len(self._names) == 1 else ""
