"""Which of a channel's locations may be asked at all: one small rule after the other, the first that says no drops it.

Stock is no rule here: who holds what is looked at when units are divided.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import msgspec

from core.plurals import many
from core.routing.calendar import day_begins, leaves, ship_day, today
from core.routing.words import Ask, Reason, Rules, Site, Standing


class Dropped(msgspec.Struct, frozen=True):
    """A rule's no."""

    why: str
    by: Reason | None = None
    """None: it is out of the question as long as it is as it is, and units there are promised to nobody."""
    retry_at: int | None = None


Rule = Callable[[Site, Ask, Rules, Standing], Dropped | None]


def active(site: Site, ask: Ask, rules: Rules, standing: Standing) -> Dropped | None:
    return None if site.location.active else Dropped("not active")


def not_left_out(site: Site, ask: Ask, rules: Rules, standing: Standing) -> Dropped | None:
    return Dropped(ask.left_out[site.id], Reason.REJECTED) if site.id in ask.left_out else None


def not_paused(site: Site, ask: Ask, rules: Rules, standing: Standing) -> Dropped | None:
    return Dropped(f"paused: {site.location.paused}", Reason.PAUSED) if site.location.paused else None


def serves(site: Site, ask: Ask, rules: Rules, standing: Standing) -> Dropped | None:
    to = site.location.serves
    return (
        Dropped(f"does not serve {ask.country}", Reason.COUNTRY)
        if to and ask.country and ask.country not in to
        else None
    )


def able(site: Site, ask: Ask, rules: Rules, standing: Standing) -> Dropped | None:
    lacks = ask.needs - site.location.capabilities
    return Dropped(f"lacks {' and '.join(sorted(lacks))}", Reason.CAPABILITY) if lacks else None


def has_room(site: Site, ask: Ask, rules: Rules, standing: Standing) -> Dropped | None:
    """Capacity counts the location's own day. An order larger than a whole day's units has an empty day to itself."""
    place = site.location
    if not place.has_capacity:
        return None
    orders, units = standing.loads.get(site.id, (0, 0))
    full = ""
    if place.capacity_orders is not None and orders >= place.capacity_orders:
        full = f"has its {many(place.capacity_orders, 'order')} of the day"
    elif place.capacity_units is not None and orders and units + ask.units > place.capacity_units:
        full = f"has {units} of its {many(place.capacity_units, 'unit')} of the day, and the order has {ask.units}"
    elif place.capacity_units == 0:
        full = "takes no units"
    if not full:
        return None
    day = today(place, standing.now)
    return Dropped(f"{full} ({day})", Reason.CAPACITY, day_begins(place, day + timedelta(days=1)))


def in_time(site: Site, ask: Ask, rules: Rules, standing: Standing) -> Dropped | None:
    if rules.late != "refuse":
        return None
    day = ships(site, ask, standing)
    return Dropped(f"ships on {day}, which is too late", Reason.LATE) if is_late(site, ask, standing, day) else None


def ships(site: Site, ask: Ask, standing: Standing) -> date:
    """The day it would ship on."""
    return ship_day(site.location, standing.now)


def is_late(site: Site, ask: Ask, standing: Standing, day: date) -> bool:
    """Whether what ships on `day` leaves after the order has to be shipped."""
    return ask.ship_by is not None and leaves(site.location, day, standing.now) > ask.ship_by


RULES: tuple[Rule, ...] = (active, not_left_out, not_paused, serves, able, has_room, in_time)
"""In the order they are asked."""


def dropped(site: Site, ask: Ask, rules: Rules, standing: Standing) -> Dropped | None:
    """The first rule's no, or None."""
    for rule in RULES:
        found = rule(site, ask, rules, standing)
        if found is not None:
            return found
    return None
