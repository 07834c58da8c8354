"""What a channel plugin promises, and how it is found.

A connector is one class, registered under the entry-point group `ordersync.connectors`. It speaks to exactly one
seller account, knows nothing of the store, and keeps no state that must survive a restart: cursors, tickets and
keys are handed in. A method of an absent ability need not exist. One thread at a time uses an instance.
`core.conformance` is the contract as a test suite.

Raises of every method that speaks to the channel: `Unavailable` (try later), `Unauthorized` (a person must act),
`Rejected` (the request itself was wrong). Anything else is a bug.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar, Protocol

from core.credentials import Keeper
from core.errors import UserError
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

CONNECTORS = "ordersync.connectors"
SIMULATORS = "ordersync.simulators"


class Ability(StrEnum):
    """What a connector may be able to do beside pulling. One it lacks is declared absent, with the reason."""

    ACKNOWLEDGE = "acknowledge"
    """The channel wants orders acknowledged."""
    PUSH_TRACKING = "push_tracking"
    PUSH_LEVELS = "push_levels"
    SETTLE = "settle"
    """Some pushes are only accepted at first; `settle` learns what became of them."""
    READ_LEVELS = "read_levels"
    LISTINGS = "listings"
    COMPARE_AND_SET = "compare_and_set"
    """`push_levels` checks `Level.expected` and answers STALE when the channel holds another quantity."""
    CORRECT_TRACKING = "correct_tracking"
    """`push_tracking` heeds `Shipment.corrects`."""
    VOID_TRACKING = "void_tracking"
    """A parcel the channel was told of can be taken back from here: it never left."""
    CANCEL = "cancel"
    """Orders and units that will not ship can be cancelled from here."""
    REFUND = "refund"
    """Money can be given back from here."""
    RETURNS = "returns"
    """The channel tells of returns."""
    OWN_STOCK = "own_stock"
    """The channel keeps stock of the seller's in warehouses of its own and tells how much."""
    BACKFILL = "backfill"
    """Years of orders can be read without standing in the way of the live pull."""
    ROLL_CALL = "roll_call"
    """The numbers of all orders of a window can be listed, to see that none is missing here."""
    HINTS = "hints"
    """The channel calls an address of ours when something changed: `hints` reads its requests."""
    QUEUE = "queue"
    """The channel puts a message into a queue of the seller's when something changed: `listen` takes them out."""


WRITES = (
    *("acknowledge", "push_tracking", "push_voids", "push_levels", "push_cancellations", "push_refunds"),
    *("subscriptions", "listen"),
)
"""The methods that change something at the channel: a channel in shadow never sees one of them."""


class Connector(Protocol):
    """One seller account at one channel."""

    Settings: ClassVar[type[Any]]
    """A subclass of `core.settings.ChannelSettings`: what `config/channels/<name>.toml` may say."""

    abilities: ClassVar[frozenset[Ability]]
    absent: ClassVar[Mapping[Ability, str]]
    """Every ability not in `abilities`, with the reason an operator is told."""

    @property
    def look_back(self) -> timedelta | None:
        """How far back `pages` can reach; None where nothing is too old. A longer outage leaves a gap that is told."""
        ...

    def __init__(self, name: str, settings: Any, keeper: Keeper | None = None) -> None:
        """Keep `name` (the account's, for errors and logs) and `settings`; no network, no work.

        `keeper` keeps the account's tokens beyond this instance (see `core.credentials`); None: as long as it lives.
        """

    def pages(self, cursor: str | None, *, since: datetime | None = None) -> Iterator[Page]:
        """Every order changed since `cursor`, oldest change first, one page at a time.

        `cursor` is None on the first pull: start at `since`, or as far back as the settings say. The pages of
        one call overlap the previous ones a little, as the channel's own index lags; repeats are the
        caller's to drop. An order is yielded whole, all its lines read, or the page is not yielded at all.
        Every page's cursor resumes right behind it: pulling again from the cursor of page n yields at least
        what page n + 1 and later would have, even days later. The last page's cursor is where the next call
        starts. A pull that finds nothing still yields one page, without observations, when its cursor moved.
        """
        ...

    def fetch(self, number: str) -> Observation:
        """One order as it stands now. Raises `NotFound` when the channel does not know the number."""
        ...

    def normalize(self, body: bytes) -> Order:
        """A document of `pages` or `fetch` as an order. Pure. Raises `BadDocument` with what is wrong and where."""
        ...

    def acknowledge(self, numbers: Sequence[str]) -> Iterator[Ack]:
        """Tell the channel these orders were received. One ack a number; harmless when repeated."""
        ...

    def push_tracking(self, shipments: Sequence[Shipment]) -> Iterator[Ack]:
        """Tell the channel of parcels that left. One ack a key, yielded as soon as it is known.

        An `Unavailable` with `ambiguous` raised half-way means that unanswered shipments may have arrived: those
        its `keys` name (see `core.errors.in_doubt`), else all. The caller reads their orders back before it pushes
        them again. With `CORRECT_TRACKING`, a shipment that `corrects` ends as the one parcel of its key, under its new
        number, whether the channel shows the old number, the new one, or neither yet.
        """
        ...

    def push_voids(self, voids: Sequence[Voiding]) -> Iterator[Ack]:
        """Tell the channel that parcels it was told of never left. One ack a key; as `push_tracking` does it.

        Looks at what the channel shows first: what it does not show (any more) is applied, so a repeat is harmless.
        Only this parcel is taken back; where the channel does not say which one it is, it is refused. Once it is
        applied, its units are open at the channel and may be told in another parcel.
        """
        ...

    def push_cancellations(self, cancellations: Sequence[Cancellation]) -> Iterator[Ack]:
        """Tell the channel that units will not ship. One ack a key; as `push_tracking` does it.

        Looks at what the channel has cancelled beyond `before` first: what stands there already is applied, never
        cancelled twice. Units that have shipped at the channel are refused.
        """
        ...

    def push_refunds(self, refunds: Sequence[Refund]) -> Iterator[Ack]:
        """Have the channel give money back. One ack a key; an applied one's `ticket` is the channel's refund number.

        A channel that shows one refund as several gives the number of each, joined by ", ".

        The same key never gives money back twice: by the channel's own idempotency, or by looking first for a refund
        that is none of `known`.
        """
        ...

    def returns(self, cursor: str | None, *, since: datetime | None = None) -> Iterator[Page]:
        """Every return changed since `cursor`, as `pages` does it for orders; a number is the return's."""
        ...

    def normalize_return(self, body: bytes) -> Return:
        """A document of `returns`. Pure. Raises `BadDocument` with what is wrong and where."""
        ...

    def own_stock(self) -> Iterator[OwnStock]:
        """Everything of the seller's that lies in the channel's own warehouses now, one entry a SKU."""
        ...

    def backfill(self, cursor: str | None, *, since: datetime, until: datetime) -> Iterator[Page]:
        """Every order placed from `since` to before `until`, page by page, each with the cursor that resumes behind it.

        For history: it may take hours, spends no more of the account's budget than the live pull can spare, and its
        order is the channel's own. The cursor of the last page is empty: it is done.
        """
        ...

    def roll_call(self, *, since: datetime, until: datetime) -> Iterator[Present]:
        """Every order placed from `since` to before `until` that a pull would show, cheaply: numbers, not documents."""
        ...

    def examine(self) -> Iterator[Finding]:
        """Looks at the account as a doctor would: credentials, rights, clock, API version, locations, listings.

        Reads only. What keeps it from looking further is a finding too; nothing is raised but bugs.
        """
        ...

    def push_levels(self, levels: Sequence[Level]) -> Iterator[Ack]:
        """Tell the channel these quantities, in the largest batches it takes. One ack a key; harmless when repeated.

        One bad row never sinks its batch: the others are applied, the row is refused with its reason.
        """
        ...

    def settle(self, pending: Mapping[str, str]) -> Iterator[Ack]:
        """What became of accepted pushes, given as key and ticket: one ack for each that is done, none for the rest."""
        ...

    def read_levels(self, keys: Sequence[LevelKey]) -> Iterator[ChannelLevel]:
        """The quantities the channel holds now; a key it does not know is left out."""
        ...

    def listings(self) -> Iterator[ChannelListing]:
        """Everything this account offers, page by page as the channel gives it."""
        ...

    def deaf(self) -> str:
        """Why this account cannot be told of changes although its channel tells of them: what its settings lack, ending
        in what to do. Empty where nothing is missing. Pure."""
        ...

    def hints(self, call: Call) -> Sequence[Hint]:
        """What a request is about; nothing where we do not look at that. Pure, and asked by any thread at any time.

        The signature is compared before anything else is read, as bytes and in constant time. Raises `Forged` for any
        request the channel did not sign, `Stale` for one that is too old or from the future, and `BadDocument` for one
        that is genuine and cannot be read.
        """
        ...

    def subscriptions(self, address: str) -> Subscribed:
        """Sees to it that the channel tells `address` of every change, once; a queue's address is in the settings.

        What is missing is created, what differs is mended, what is there twice or not wanted any more is removed, and
        subscriptions for other addresses are left alone. One thing the channel will not have (a right is missing) keeps
        the others from nothing. Harmless when repeated.
        """
        ...

    def listen(self, keep: Callable[[Sequence[Hint], Sequence[str]], None], *, wait: float) -> int:
        """Takes one batch of messages out of the queue, waiting up to `wait` seconds for it; returns how many came.

        `keep` is called once with their hints and with the reasons why some messages could not be read, and returns
        when the hints are stored; only then is any message deleted. What it raises leaves the batch in the queue.
        """
        ...

    def close(self) -> None:
        """Let go of connections. Safe to call twice."""
        ...


def find(name: str) -> type[Connector]:
    """The connector class registered as `name`; a `UserError` names the ones there are."""
    found: type[Connector] = load(CONNECTORS, name)
    return found


def find_simulator(name: str) -> type[Any]:
    """The simulator class registered for connector `name` (see `connectors.simulation.Simulator`)."""
    found: type[Any] = load(SIMULATORS, name)
    return found


def names(group: str = CONNECTORS) -> list[str]:
    """The registered plugin names of a group, sorted."""
    return sorted(_points(group))


@cache
def _points(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=group)}


def load(group: str, name: str, what: str = "connector") -> Any:
    """What is registered as `name` in a group; a `UserError` names what there is."""
    points = _points(group)
    if name not in points:
        known = ", ".join(sorted(points)) or "none; reinstall ordersync"
        raise UserError(f"no {what} is called {name!r}; there are: {known}")
    return points[name].load()
