"""What locations.toml and routing.toml may say. The text under a key is what editors show and the examples explain."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, model_validator

from core.model import MAX_QUANTITY, Location
from core.settings.keys import NAME, Table
from core.settings.wrong import wrong

_ZIP: Final = re.compile(r"\d{5}(-\d{4})?")


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise wrong("no such time zone", 'write its IANA name, such as "America/New_York"') from None
    return name


Capability = Annotated[str, Field(pattern=NAME)]
"""What an item or a service needs of a location."""
Country = Annotated[str, Field(pattern="^[A-Z]{2}$")]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_WEEK: Final[tuple[Weekday, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Criterion = Literal["priority", "distance", "zone", "cost", "balance", "ship_day"]
Price = Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=6)]


class LocationSettings(Table):
    """A place stock ships from."""

    name: Annotated[str, Field(pattern=NAME, examples=["east"])]
    """What files and commands call it: small letters, digits, - and _. It keeps its name while it holds stock."""
    title: str = ""
    """What people read. Empty: the name."""
    postal_code: Annotated[str, Field(max_length=16, examples=["10001"])] = ""
    """In quotes; distances start here. Empty: the location ranks behind those with a postal code."""
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")] = "US"
    """Two capital letters (ISO 3166-1)."""
    priority: Annotated[int, Field(ge=0, le=MAX_QUANTITY)] = 100
    """Smaller is preferred."""
    active: bool = True
    """false: nothing new is routed here, and its stock is not offered. For a while only: `ordersync location pause`."""
    timezone: Annotated[str, AfterValidator(_time_zone), Field(examples=["America/New_York"])] = "UTC"
    """Where its days begin and end, by its IANA name."""
    capabilities: Annotated[tuple[Capability, ...], Field(examples=[["hazmat", "cold", "two-day"]])] = ()
    """What it can handle that not every place can: what items need (`ordersync stock traits`), and services."""
    serves: Annotated[tuple[Country, ...], Field(examples=[["US", "CA"]])] = ()
    """The countries it ships to. Empty: all."""
    capacity_orders: Annotated[int, Field(ge=0, le=MAX_QUANTITY)] | None = Field(default=None, examples=[500])
    """So many fulfilment orders are routed here a day, at most, in its own time zone. Not set: no limit."""
    capacity_units: Annotated[int, Field(ge=0, le=MAX_QUANTITY)] | None = Field(default=None, examples=[2000])
    """So many units a day, at most. Not set: no limit."""
    cut_off: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", examples=["14:00"])] | None = None
    """Its own time after which it ships what it is asked for on its next ship day. Not set: there is none."""
    ship_days: Annotated[tuple[Weekday, ...], Field(min_length=1)] = _WEEK
    """The weekdays it ships on."""
    holidays: Annotated[tuple[date, ...], Field(examples=[[date(2026, 12, 25)]])] = ()
    """Days it does not ship on."""
    keep: Annotated[int, Field(ge=0, le=MAX_QUANTITY)] = 0
    """So many units of every item are kept here for its own counter: not offered to channels, and not routed."""

    @model_validator(mode="after")
    def _zip(self) -> LocationSettings:
        if self.country == "US" and self.postal_code and not _ZIP.fullmatch(self.postal_code):
            raise wrong("the postal_code is no US ZIP code", 'write five digits in quotes, such as "10001"')
        return self

    def as_location(self) -> Location:
        """The same place in routing's words."""
        return Location(
            name=self.name,
            priority=self.priority,
            postal_code=self.postal_code,
            country=self.country,
            active=self.active,
            capabilities=frozenset(self.capabilities),
            serves=frozenset(self.serves),
            capacity_orders=self.capacity_orders,
            capacity_units=self.capacity_units,
            timezone=self.timezone,
            cut_off=None if self.cut_off is None else int(self.cut_off[:2]) * 60 + int(self.cut_off[3:]),
            ship_days=tuple(sorted({_WEEK.index(day) for day in self.ship_days})),
            holidays=frozenset(self.holidays),
            keep=self.keep,
        )


class LocationsFile(Table):
    """locations.toml: every place stock ships from."""

    locations: Annotated[tuple[LocationSettings, ...], Field(min_length=1)]
    """One [[locations]] for each place stock ships from."""

    @model_validator(mode="after")
    def _names_are_unique(self) -> LocationsFile:
        twice = [name for name, count in Counter(place.name for place in self.locations).items() if count > 1]
        if twice:
            raise wrong(f"the location {twice[0]} stands twice", "give one of the two another name")
        return self


class Prices(Table):
    """What a parcel costs, in your own currency."""

    parcel: Price = Decimal(0)
    """Each parcel."""
    per_kg: Price = Decimal(0)
    """Each kilogram in it, to the gram."""


class RoutingSettings(Table):
    """routing.toml: how an order finds the location that ships it. docs/routing.md tells it step by step."""

    rank: Annotated[tuple[Criterion, ...], Field(min_length=1)] = ("priority", "distance")
    """What decides between locations that could ship, most important first: priority (smaller first), distance (nearer
    first), zone (smaller first, see `zones`), cost (cheaper first, see `costs`), balance (fewer orders today first) and
    ship_day (sooner first, see `cut_off` in locations.toml)."""
    split: bool = True
    """true: an order that no location can ship alone may leave in several parcels, as few as can be.
    false: it waits for one that can."""
    split_above: Annotated[Decimal, Field(ge=0, examples=[50])] | None = None
    """Only orders worth more than this, in their own currency, may be split. Not set: all may."""
    ship_complete: bool = False
    """true: nothing of an order is sent before all of it can be."""
    late: Literal["allow", "avoid", "refuse"] = "allow"
    """Locations whose next ship day is after an order has to be shipped: allow, avoid (only where no other can), or
    refuse (the order waits)."""
    services: Annotated[Mapping[str, Capability], Field(examples=[{"Second Day": "two-day"}])] = Field(
        default_factory=dict
    )
    """Shipping services by the name the channel gives them (capitals do not matter), and the capability each needs."""
    zones: Annotated[
        Mapping[Annotated[str, Field(pattern=NAME)], Mapping[str, Annotated[int, Field(ge=1, le=99)]]],
        Field(examples=[{"east": {"0": 2, "1": 2, "9": 8}}]),
    ] = Field(default_factory=dict)
    """By location: in which zone postal codes lie, by their first letters; the longest that fits counts."""
    costs: Annotated[
        Mapping[Annotated[str, Field(pattern="^(any|[1-9][0-9]?)$")], Prices],
        Field(examples=[{"any": {"parcel": 4.5, "per_kg": 1}}]),
    ] = Field(default_factory=dict)
    """What a parcel costs, by zone; "any": in every zone of which nothing is said."""

    @model_validator(mode="after")
    def _rules_are_unique(self) -> RoutingSettings:
        if len(set(self.rank)) < len(self.rank):
            raise wrong("a rule of rank stands twice", "name each rule once")
        if "zone" in self.rank and not self.zones:
            raise wrong("rank names zone, and there are no zones", "add [zones], or take zone out of rank")
        if "cost" in self.rank and not self.costs:
            raise wrong("rank names cost, and there are no costs", "add [costs.any], or take cost out of rank")
        if self.split_above is not None and not self.split:
            raise wrong("split_above stands beside split = false", "take one of the two out")
        return self
