"""The sandbox's connector: its settings, its one way to the far end, and everything it reads.

What it tells the channel stands in `pushes.py`; what a document means, in `orders.py`; what the channel tells by
itself, in `hints.py`. A connector of a real channel has the same four files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, ClassVar, TypeVar

import msgspec
from pydantic import Field

from connectors.sandbox import hints, history, orders, pushes
from connectors.sandbox.far_end import FarEnd
from core.connector import Ability
from core.credentials import Keeper
from core.errors import ChannelError, NotFound, Rejected, Unauthorized, Unavailable
from core.guard import forbid_in_transaction
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
    Voiding,
)
from core.settings import ChannelSettings, Secret

T = TypeVar("T")

Position = tuple[datetime, str]
"""How far a pull has come: the instant of the last change it has seen, and that order's number."""


class SandboxSettings(ChannelSettings):
    """Only the channel's own keys stand here. The text under each is what an operator reads, so it says what for."""

    world: str = "default"
    """Which far end of this process the account belongs to; accounts with different worlds never meet."""
    page_size: Annotated[int, Field(ge=1, le=200)] = 100
    """Orders asked for at once."""
    signing_secret: Secret | None = None
    """What the channel signs its calls with. Not set: it is not listened to, only asked."""


class Sandbox:
    """One account at the sandbox channel."""

    Settings: ClassVar[type[SandboxSettings]] = SandboxSettings

    # The sandbox can do everything. A channel that, say, cannot list what is on offer leaves LISTINGS out of
    # `abilities` and gives the reason in `absent`: {Ability.LISTINGS: "the channel has no call for it; map by hand"}.
    abilities: ClassVar[frozenset[Ability]] = frozenset(Ability)
    absent: ClassVar[Mapping[Ability, str]] = {}

    look_back: ClassVar[timedelta | None] = None

    def __init__(self, name: str, settings: SandboxSettings, keeper: Keeper | None = None) -> None:
        # Kept, and nothing else done: an instance is made before anyone knows that the channel can be reached.
        # The sandbox wants no token. A channel that does hands its keeper to `core.credentials.Tokens`.
        self.name = name
        self.settings = settings

    # Reading orders.

    def pages(self, cursor: str | None, *, since: datetime | None = None) -> Iterator[Page]:
        """Orders by the instant of their last change, oldest first."""
        if cursor is None:
            begin = since or self.settings.since(datetime.now(UTC))
            # An order number sorts after the empty text, so this position is just before everything at that instant.
            reached: Position = (begin.astimezone(UTC), "")
            at = reached
        else:
            reached = msgspec.json.decode(cursor, type=Position)
            # Real channels list some changes late. Reading a stretch again is cheap, and the caller drops repeats.
            at = (reached[0] - timedelta(seconds=self.settings.overlap_seconds), "")
        more = True
        while more:
            page = self._ask("orders", {"after": at, "limit": self.settings.page_size}, _Orders)
            more = page.more
            if more and page.reached <= at:
                # Asking the same again would go on for ever.
                raise Unavailable(f"{self.name} promises more orders and does not get on")
            at = max(at, page.reached)
            # While the overlap is read again the cursor stays where it was: it never goes back.
            before, reached = reached, max(reached, at)
            if page.orders or cursor is None or reached != before:
                # The list's documents stay undecoded bytes: one that cannot be read must neither lose its neighbours
                # nor stop the pull. `normalize` says what is wrong with it.
                yield Page(
                    observations=tuple(orders.observe(bytes(document)) for document in page.orders),
                    cursor=msgspec.json.encode(reached).decode(),
                )

    def fetch(self, number: str) -> Observation:
        """One order as it stands now."""
        return orders.observe(bytes(self._ask("order", {"number": number}, msgspec.Raw)))

    def normalize(self, body: bytes) -> Order:
        """A document of `pages` or `fetch` as an order."""
        return orders.normalize(body)

    # Telling the channel: see pushes.py.

    def acknowledge(self, numbers: Sequence[str]) -> Iterator[Ack]:
        return pushes.acknowledge(self._ask, numbers)

    def push_tracking(self, shipments: Sequence[Shipment]) -> Iterator[Ack]:
        return pushes.push_tracking(self._ask, shipments)

    def push_voids(self, voids: Sequence[Voiding]) -> Iterator[Ack]:
        return pushes.push_voids(self._ask, voids)

    def push_cancellations(self, cancellations: Sequence[Cancellation]) -> Iterator[Ack]:
        return pushes.push_cancellations(self._ask, self._now, cancellations)

    def push_refunds(self, refunds: Sequence[Refund]) -> Iterator[Ack]:
        return pushes.push_refunds(self._ask, refunds)

    def push_levels(self, levels: Sequence[Level]) -> Iterator[Ack]:
        return pushes.push_levels(self._ask, levels)

    def settle(self, pending: Mapping[str, str]) -> Iterator[Ack]:
        return pushes.settle(self._ask, pending)

    # What the channel tells by itself: see hints.py.

    def deaf(self) -> str:
        if self.settings.signing_secret is None:
            return "signing_secret is not set, so nobody can tell the channel's calls from others; set it"
        return ""

    def hints(self, call: Call) -> Sequence[Hint]:
        secret = self.settings.signing_secret
        return hints.hints(call, secret.get_secret_value() if secret else "")

    def subscriptions(self, address: str) -> Subscribed:
        return hints.subscriptions(self._ask, address)

    def listen(self, keep: Callable[[Sequence[Hint], Sequence[str]], None], *, wait: float) -> int:
        return hints.listen(self._ask, keep, wait)

    # Reading levels and listings.

    def read_levels(self, keys: Sequence[LevelKey]) -> Iterator[ChannelLevel]:
        """The quantities the channel holds now; a key it does not know is left out."""
        for batch in pushes.batches(keys):
            answer = self._ask("read_levels", {"rows": [(key.sku, key.place) for key in batch]}, _Levels)
            held = {(sku, place): quantity for sku, place, quantity in answer.levels}
            for key in batch:
                if (key.sku, key.place) in held:
                    yield ChannelLevel(key=key.key, quantity=held[key.sku, key.place])

    def listings(self) -> Iterator[ChannelListing]:
        """Everything on offer."""
        after, more = "", True
        while more:
            page = self._ask("listings", {"after": after, "limit": self.settings.page_size}, _Listings)
            more = page.more
            for listing in page.listings:
                after = listing.sku
                # The sandbox finds a listing by its SKU. A channel that needs an id or a product type to set a level
                # keeps them in `handle`; the rounds hand it back untouched.
                yield ChannelListing(sku=listing.sku, title=listing.title, quantities=listing.quantities)

    # The past, returns and the channel's own stock: see history.py.

    def roll_call(self, *, since: datetime, until: datetime) -> Iterator[Present]:
        return history.roll_call(self._ask, since, until, self.settings.page_size)

    def backfill(self, cursor: str | None, *, since: datetime, until: datetime) -> Iterator[Page]:
        return history.backfill(self._ask, cursor, since, until, self.settings.page_size)

    def returns(self, cursor: str | None, *, since: datetime | None = None) -> Iterator[Page]:
        return history.returns(self._ask, cursor, self.settings.page_size)

    def normalize_return(self, body: bytes) -> Return:
        return history.normalize_return(body)

    def own_stock(self) -> Iterator[OwnStock]:
        return history.own_stock(self._ask)

    def examine(self) -> Iterator[Finding]:
        """What a first look at the account shows; a real channel has rights, a clock and a version besides."""
        try:
            self._ask("orders", {"after": (datetime.now(UTC), ""), "limit": 1}, _Orders)
            yield Finding(what="credentials", well=True, told="accepted")
            if Ability.LISTINGS in self.abilities:
                yield Finding(what="listings", well=True, told=f"{sum(1 for _ in self.listings())} on offer")
        except Unavailable as error:
            yield Finding(what="channel", well=False, told=f"{error}; try again later")
        except ChannelError as error:
            yield Finding(what="credentials", well=False, told=str(error))

    def close(self) -> None:
        """Nothing to let go of here; a real connector closes its HTTP client."""

    def _now(self, number: str) -> Order:
        """An order as it stands now, read."""
        return orders.normalize(bytes(self._ask("order", {"number": number}, msgspec.Raw)))

    def _ask(self, operation: str, request: object, shape: type[T]) -> T:
        """One request and its answer as `shape`; the only place that knows how the far end is reached.

        A real connector has no such function: `core.http.client` raises these very errors, `core.http.decode` reads
        the answer. What counts is that each outcome is told apart here, once: an answer that is not what was asked
        for is an outage, never an empty page or a confirmation.
        """
        forbid_in_transaction(f"a request to {self.name}")
        try:
            status, body = FarEnd.named(self.settings.world).answer(operation, msgspec.json.encode(request))
        except ConnectionError:
            raise Unavailable(f"{self.name} broke off its answer to {operation}", ambiguous=True) from None
        if status in (200, 202):
            try:
                return msgspec.json.decode(body, type=shape)
            except msgspec.DecodeError as error:
                raise Unavailable(f"{self.name} answered {operation} with what cannot be read: {error}") from None
        if status == 401:
            raise Unauthorized(f"{self.name} refused the credentials; renew them and restart")
        if status == 404:
            raise NotFound(f"{self.name} answered {operation} with 404")
        if status >= 500:
            raise Unavailable(f"{self.name} answered {operation} with {status}")
        raise Rejected(f"{self.name} answered {operation} with {status}", status=status, body=body)


# Answers, as far as they are needed: unknown fields are skipped, absent ones are an outage.


class _Orders(msgspec.Struct):
    orders: list[msgspec.Raw]
    reached: tuple[Annotated[datetime, msgspec.Meta(tz=True)], str]
    more: bool


class _Levels(msgspec.Struct):
    levels: list[tuple[str, str, int]]


class _Listing(msgspec.Struct):
    sku: str
    title: str
    quantities: dict[str, int]


class _Listings(msgspec.Struct):
    listings: list[_Listing]
    more: bool
