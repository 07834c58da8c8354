"""What routing speaks of: what an order asks for, the rules, the locations in question, and what was decided."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from core.model import Location, Parts


class Piece(msgspec.Struct, frozen=True, gc=False):
    """Units of one order line that hold a reservation but no location yet."""

    line_id: int
    parts: Parts
    quantity: int


class Site(msgspec.Struct, frozen=True):
    """A location with its id in the store."""

    id: int
    location: Location


class Ask(msgspec.Struct, frozen=True):
    """What the locations are looked at for: where an order goes, what it needs, and by when."""

    country: str = ""
    postal_code: str = ""
    needs: frozenset[str] = frozenset()
    """Capabilities of the location: those its items need, and the one its shipping service means."""
    units: int = 0
    grams: int = 0
    ship_by: int | None = None
    """Microseconds since 1970 UTC."""
    left_out: Mapping[int, str] = {}
    """Locations that are out of the question, by id, and why."""


class Rules(msgspec.Struct, frozen=True):
    """routing.toml, in routing's words. Money in millionths."""

    rank: tuple[str, ...] = ("priority", "distance")
    split: bool = True
    split_above: int | None = None
    """An order may be split only if it is worth more than this."""
    ship_complete: bool = False
    """All open units of an order are bound at once, or none."""
    late: str = "allow"
    """allow, avoid (those in time first) or refuse (only those in time)."""
    services: Mapping[str, str] = {}
    """A shipping service's name, in small letters, and the capability it needs."""
    zones: Mapping[str, Mapping[str, int]] = {}
    """By location: the beginning of a postal code and the zone it lies in from there."""
    parcel: Mapping[int, int] = {}
    """What a parcel costs, by zone; zone 0: wherever nothing else is said."""
    per_kg: Mapping[int, int] = {}


class Standing(msgspec.Struct):
    """How things stand at the moment of a decision."""

    now: int = 0
    """Microseconds since 1970 UTC."""
    loads: dict[int, tuple[int, int]] = {}
    """Orders and units that a location was given in its present day, by id."""


class Reason(StrEnum):
    """Why an order waits for a location; those that end by themselves first."""

    CAPACITY = "capacity"
    """The locations that hold it have their fill of today."""
    PAUSED = "paused"
    LATE = "late"
    """They would ship after it has to be shipped."""
    REJECTED = "rejected"
    """They have said they cannot send it."""
    KEPT = "kept"
    """What is left there is kept for the location's own counter."""
    COUNTRY = "country"
    CAPABILITY = "capability"
    SPLIT = "split"
    """No single location holds all of it, and it may not be split."""
    INCOMPLETE = "incomplete"
    """It ships complete, and not all of it can be had yet."""


class Candidate(msgspec.Struct, frozen=True, omit_defaults=True):
    """One location in a decision: its numbers in the ranking, or the rule that dropped it."""

    location: str
    id: int = 0
    priority: int = 0
    km: int | None = None
    zone: int | None = None
    cost: int | None = None
    """What a parcel with all of the order would cost from there, in millionths."""
    load: int | None = None
    """Orders it was given today."""
    ships: str = ""
    """The day it would ship on, where it has a calendar."""
    late: bool = False
    """That day is too late."""
    dropped: str = ""
    by: str = ""
    """The `Reason` of a location that was dropped and may be asked another time."""
    retry_at: int | None = None
    """When its reason ends by itself."""


class Share(msgspec.Struct, frozen=True):
    """What one location is asked to send: units by line."""

    location_id: int
    units: Mapping[int, int]


class Decision(msgspec.Struct, frozen=True):
    """Where everything goes. `unplaced` counts the units no location was found for."""

    shares: tuple[Share, ...]
    unplaced: int
    rule: str
    lacks: Mapping[int, Mapping[int, tuple[int, int]]] = {}
    """Of locations that do not hold everything, by line of which they lack some: what they have and what is wanted."""
    at_least: int = 0
    """Not 0: so many parcels are needed at least; that fewer than there are do not suffice is not proven."""
    waits: Mapping[int, int] = {}
    """Of the unplaced units, by line, those that keep their promise: a location has them that may not send them now."""
    reason: Reason | None = None
    """Why they wait."""
