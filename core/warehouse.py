"""What a warehouse plugin promises, and how it is found.

A warehouse connector is one class, registered under the entry-point group `ordersync.warehouses`. It hands work to the
locations of one warehouse (or 3PL, or fulfilment network) and reads what that tells of them. It knows nothing of the
store and keeps no state that must survive a restart. A method of an absent ability need not exist. One thread at a
time uses an instance. `core.conformance.warehouses` is the contract as a test suite.

Raises of every method that speaks to the warehouse: `Unavailable` (try later), `Unauthorized` (a person must act),
`Rejected` (the request itself was wrong). Anything else is a bug.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, ClassVar, Protocol, runtime_checkable

from core.connector import load, names
from core.credentials import Keeper
from core.handover import Event, Notice, NoticePage, Recall, WorkOrder
from core.model import Ack, Call

WAREHOUSES = "ordersync.warehouses"


class Deed(StrEnum):
    """What a warehouse connector may be able to do. One it lacks is declared absent, with the reason."""

    RELEASE = "release"
    """Work can be handed over."""
    RECALL = "recall"
    """Handed-over work can be called back as a whole, while it is not too late."""
    RECALL_UNITS = "recall_units"
    """So can single units of it."""
    TELLS_ACCEPTED = "tells_accepted"
    """It tells that it has taken work up."""
    TELLS_DECLINED = "tells_declined"
    """It tells of work it will not do, and of short picks."""
    TELLS_LEFT = "tells_left"
    """It tells of parcels that left."""
    TELLS_COUNTED = "tells_counted"
    """It tells what lies there, with the instant of the count."""
    TELLS_ADJUSTED = "tells_adjusted"
    """It tells of units that came or went other than by our work."""
    CALLS = "calls"
    """It calls an address of ours when something happened: `receive` reads its requests."""


class WarehouseConnector(Protocol):
    """One warehouse as this installation is known to it."""

    Settings: ClassVar[type[Any]]
    """A subclass of `core.settings.WarehouseSettings`: what `config/warehouses/<name>.toml` may say."""

    abilities: ClassVar[frozenset[Deed]]
    absent: ClassVar[Mapping[Deed, str]]
    """Every deed not in `abilities`, with the reason an operator is told."""

    def __init__(self, name: str, settings: Any, keeper: Keeper | None = None) -> None:
        """Keep `name` (for errors and logs) and `settings`; no network, no work.

        `keeper` keeps the account's tokens beyond this instance (see `core.credentials`); None: as long as it lives.
        """

    def release(self, orders: Sequence[WorkOrder]) -> Iterator[Ack]:
        """Hand work over. One ack a key, yielded as soon as it is known.

        APPLIED: the warehouse has taken it up. ACCEPTED: it lies with the warehouse, which will tell or just do it.
        REFUSED: it will not have it, for a reason that stays. The same key is the same work: handed over again, after
        whatever failure, it is done once, in the words that arrived first. One bad row never sinks its batch. An
        `Unavailable` with `ambiguous` raised half-way means that unanswered work may have arrived: those its `keys`
        name, else all.
        """
        ...

    def recall(self, recalls: Sequence[Recall]) -> Iterator[Ack]:
        """Ask that units be not sent. One ack a key, as `release` does it; harmless when repeated.

        APPLIED: they will not be sent. ACCEPTED: asked, and `Withdrawn` tells what became of it. REFUSED: too late, or
        the warehouse will not. Without `RECALL_UNITS` only recalls that are `whole` are asked for.
        """
        ...

    def events(self, cursor: str | None) -> Iterator[NoticePage]:
        """Everything the warehouse has told since `cursor`, oldest first, one page at a time; None: from the start.

        Reading again from the cursor of page n yields at least what page n + 1 and later would have; repeats are the
        caller's to drop. A notice is never lost: one that cannot be read is yielded for its reason to be kept.
        """
        ...

    def taken(self, page: NoticePage, unread: Mapping[str, str]) -> None:
        """The page is stored: what the warehouse keeps for us until then may go (a file, a message in a queue).

        `unread`: why notices were set aside or could not be booked, by id. Called before the next page is asked for;
        harmless when repeated, and when it was never called the page comes once more.
        """
        ...

    def normalize(self, body: bytes) -> Event:
        """A notice's document as an event. Pure. Raises `BadDocument` with what is wrong and where; guesses nothing."""
        ...

    def receive(self, call: Call) -> Sequence[Notice]:
        """The notices of a request that somebody sent us. Pure, and asked by any thread at any time.

        The signature is compared before anything else is read. Raises `Forged` for any request the warehouse did not
        sign, `Stale` for one that is too old or from the future, `BadDocument` for one that cannot be read at all.
        """
        ...

    def close(self) -> None:
        """Let go of connections. Safe to call twice."""
        ...


@runtime_checkable
class Patient(Protocol):
    """A warehouse connector that leaves something unread for a while: a file that may still be on its way."""

    def waits(self) -> str:
        """What `events` saw last and left, and until when, for people; empty where it left nothing."""
        ...


def find(name: str) -> type[WarehouseConnector]:
    """The warehouse connector registered as `name`; a `UserError` names the ones there are."""
    found: type[WarehouseConnector] = load(WAREHOUSES, name, "warehouse connector")
    return found


def known() -> list[str]:
    """The names of the registered warehouse connectors, sorted."""
    return names(WAREHOUSES)
