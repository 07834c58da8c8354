"""Walmart's connector: its settings, and what it can do.

How requests are made stands in `api.py`; pulling in `pull.py`; what a document means in `orders.py`; what the channel
is told of orders in `pushes.py`, of parcels in `shipping.py`, of cancellations in `cancel.py`, of refunds in
`refunds.py`, of stock in `levels.py` and `feeds.py`; what it holds in `stock.py`; the past in `history.py`, returns in
`returns.py`; what it tells by itself in `hints.py`; how the account itself is in `examine.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from connectors.walmart import cancel, feeds, hints, history, orders, pull, pushes, returns, shipping, stock
from connectors.walmart import examine as examination
from connectors.walmart import levels as told_levels
from connectors.walmart import refunds as refunding
from connectors.walmart.api import PRODUCTION, Api
from core.connector import Ability
from core.credentials import Keeper, Memory
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
    OwnStock,
    Page,
    Present,
    Refund,
    Return,
    Shipment,
    Subscribed,
)
from core.settings import ChannelSettings, Secret

ShipNodeType = Literal["SellerFulfilled", "WFSFulfilled", "3PLFulfilled"]


class WalmartSettings(ChannelSettings):
    """One Walmart Marketplace seller account (US)."""

    client_id: Annotated[str, Field(min_length=1, description="Client id of the seller's API key, from the portal.")]
    client_secret: Annotated[Secret, Field(description="Client secret of the same API key, as a secret.")]
    pace: Annotated[
        float,
        Field(
            gt=0, le=1_000_000, description="Multiplies Walmart's usage plan, where Walmart granted the account more."
        ),
    ] = 1.0
    ship_node_types: Annotated[
        tuple[ShipNodeType, ...],
        Field(
            min_length=1,
            description="Whose orders are read. SellerFulfilled: yours. 3PLFulfilled: those a third party's warehouse "
            "ships for you. WFSFulfilled: those Walmart ships; they are shown and never touch your stock.",
        ),
    ] = ("SellerFulfilled",)


class Walmart:
    """One seller account at Walmart Marketplace."""

    Settings: ClassVar[type[WalmartSettings]] = WalmartSettings

    absent: ClassVar[Mapping[Ability, str]] = {
        Ability.COMPARE_AND_SET: "Walmart sets a level whatever it was before; orders are pulled right before a push",
        Ability.VOID_TRACKING: "Walmart takes no shipped line back; correct its number within four hours where "
        "its units leave in another parcel",
        Ability.QUEUE: "Walmart's hints come as calls; it has no queues",
    }
    abilities: ClassVar[frozenset[Ability]] = frozenset(Ability) - absent.keys()

    look_back: ClassVar[timedelta] = timedelta(days=180)
    """Source: Marketplace Order Management, GET /v3/orders: orders of the last 180 days."""

    def __init__(self, name: str, settings: WalmartSettings, keeper: Keeper | None = None) -> None:
        self.name = name
        self.settings = settings
        base = settings.base_url or PRODUCTION
        self._api = Api(
            name,
            base_url=base,
            auth_url=settings.auth_url or base,
            client_id=settings.client_id,
            client_secret=settings.client_secret.get_secret_value(),
            pace=settings.pace,
            keeper=keeper or Memory(),
        )
        self._signing_key = hints.signing_key(settings.client_secret.get_secret_value())
        self._feeds = feeds.Feeds()
        self._fresh = pushes.Fresh()

    def pages(self, cursor: str | None, *, since: datetime | None = None) -> Iterator[Page]:
        """Changed orders, a window at a time; within a window in the vendor's order, which is none of change."""
        return pull.pages(
            self._api,
            self.settings.ship_node_types,
            cursor,
            since=since or self.settings.since(datetime.now(UTC)),
            overlap=self.settings.overlap_seconds,
        )

    def fetch(self, number: str) -> Observation:
        return pushes.fetch(self._api, number)

    def normalize(self, body: bytes) -> Order:
        return orders.normalize(body)

    def acknowledge(self, numbers: Sequence[str]) -> Iterator[Ack]:
        return pushes.acknowledge(self._api, self._fresh, numbers)

    def push_tracking(self, shipments: Sequence[Shipment]) -> Iterator[Ack]:
        return shipping.push_tracking(self._api, self._fresh, shipments)

    def push_cancellations(self, cancellations: Sequence[Cancellation]) -> Iterator[Ack]:
        return cancel.push_cancellations(self._api, cancellations)

    def push_refunds(self, refunds: Sequence[Refund]) -> Iterator[Ack]:
        return refunding.push_refunds(self._api, refunds)

    def returns(self, cursor: str | None, *, since: datetime | None = None) -> Iterator[Page]:
        return returns.returns(
            self._api,
            returns.whose(self.settings.ship_node_types),
            cursor,
            since=since or self.settings.since(datetime.now(UTC)),
            overlap=self.settings.overlap_seconds,
        )

    def normalize_return(self, body: bytes) -> Return:
        return returns.normalize_return(body)

    def own_stock(self) -> Iterator[OwnStock]:
        return stock.own_stock(self._api)

    def backfill(self, cursor: str | None, *, since: datetime, until: datetime) -> Iterator[Page]:
        return history.backfill(self._api, self.settings.ship_node_types, cursor, since=since, until=until)

    def roll_call(self, *, since: datetime, until: datetime) -> Iterator[Present]:
        return history.roll_call(self._api, self.settings.ship_node_types, since=since, until=until)

    def examine(self) -> Iterator[Finding]:
        return examination.examine(self._api, self.settings.locations)

    def push_levels(self, levels: Sequence[Level]) -> Iterator[Ack]:
        return told_levels.push_levels(self._api, self._feeds, levels)

    def settle(self, pending: Mapping[str, str]) -> Iterator[Ack]:
        return feeds.settle(self._api, self._feeds, pending)

    def read_levels(self, keys: Sequence[LevelKey]) -> Iterator[ChannelLevel]:
        return stock.read_levels(self._api, keys)

    def listings(self) -> Iterator[ChannelListing]:
        return stock.listings(self._api, wfs=orders.WFS in self.settings.ship_node_types)

    def deaf(self) -> str:
        return ""

    def hints(self, call: Call) -> Sequence[Hint]:
        return hints.hints(call, self._signing_key)

    def subscriptions(self, address: str) -> Subscribed:
        return hints.see_to(self._api, address, self._signing_key)

    def close(self) -> None:
        self._api.close()
