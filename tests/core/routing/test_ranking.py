"""Which locations may be asked, and in which order."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from core.model import Location, micros
from core.routing import Ask, Candidate, Reason, Rules, Site, Standing, candidates, distance_km
from core.routing.ranking import UNKNOWN, cost_of, zone_of

EAST, WEST, MID = 10, 20, 30
NOON = micros(datetime(2026, 11, 27, 17, tzinfo=UTC))
"""A Friday, noon in New York."""


def site(id: int, name: str, priority: int = 100, code: str = "", **more: Any) -> Site:
    return Site(id, Location(name=name, priority=priority, postal_code=code, **more))


NEW_YORK, DENVER, OAKLAND = site(EAST, "east", 2, "10001"), site(MID, "mid", 1, "80202"), site(WEST, "west", 1, "94601")
ALL = [NEW_YORK, DENVER, OAKLAND]


ANY = Rules()
ASK = Ask("US", "10002")


def look(sites: list[Site], rules: Rules = ANY, ask: Ask = ASK, **loads: Any) -> tuple[Candidate, ...]:
    return candidates(sites, rules, ask, Standing(NOON, **loads))[0]


def names(found: tuple[Candidate, ...]) -> list[str]:
    return [candidate.location for candidate in found if not candidate.dropped]


def test_the_smaller_priority_goes_first_and_the_nearer_of_equals() -> None:
    found = look(ALL, ask=Ask("US", "94105"))
    assert names(found) == ["west", "mid", "east"]
    assert found[0].km is not None
    assert found[0].km < 30


def test_distance_may_come_before_priority() -> None:
    assert names(look(ALL, Rules(rank=("distance", "priority")))) == ["east", "mid", "west"]


@pytest.mark.parametrize(("country", "code"), [("US", ""), ("US", "00000"), ("CA", "K1A 0B1"), ("", "")])
def test_where_the_distance_is_not_known_the_name_decides(country: str, code: str) -> None:
    found = look([OAKLAND, DENVER, NEW_YORK], Rules(rank=("distance",)), Ask(country, code))
    assert names(found) == ["east", "mid", "west"]
    assert {candidate.km for candidate in found} == {None}


def test_a_location_of_unknown_distance_goes_behind_those_that_are_known() -> None:
    found, worth = candidates(
        [site(1, "abroad"), NEW_YORK, OAKLAND], Rules(rank=("distance",)), Ask("US", "10002"), Standing()
    )
    assert names(found) == ["east", "west", "abroad"]
    assert worth[-1] == (UNKNOWN,)


def test_a_long_zip_code_counts_by_its_first_five_digits() -> None:
    assert distance_km("US", "10001-1234", "US", "10001") == 0
    far = distance_km("US", "10001", "US", "94105")
    assert far is not None
    assert 4_100 < far < 4_180


DROPPED: dict[str, tuple[dict[str, Any], Ask, str, str]] = {
    "not active": ({"active": False}, Ask(), "not active", ""),
    "left out": ({}, Ask(left_out={EAST: "flooded"}), "flooded", "rejected"),
    "paused": ({"paused": "stock take"}, Ask(), "paused: stock take", "paused"),
    "country": ({"serves": frozenset({"US"})}, Ask("CA"), "does not serve CA", "country"),
    "capability": (
        {"capabilities": frozenset({"cold"})},
        Ask(needs=frozenset({"cold", "hazmat", "two-day"})),
        "lacks hazmat and two-day",
        "capability",
    ),
}


@pytest.mark.parametrize("what", DROPPED)
def test_each_rule_drops_a_location_and_says_why(what: str) -> None:
    more, ask, why, by = DROPPED[what]
    west = site(WEST, "west", capabilities=frozenset({"cold", "hazmat", "two-day"}))
    found = look([site(EAST, "east", **more), west], ask=ask)
    dropped = [one for one in found if one.location == "east"]
    assert [(one.dropped, one.by, one.retry_at) for one in dropped] == [(why, by, None)]
    assert found[-1].location == "east", "behind those that may be asked"


def test_where_the_country_is_not_known_every_location_serves() -> None:
    assert names(look([site(EAST, "east", serves=frozenset({"US"}))], ask=Ask())) == ["east"]


def test_a_location_that_has_its_orders_of_the_day_is_asked_again_tomorrow_there() -> None:
    full = site(EAST, "east", capacity_orders=2, timezone="America/New_York")
    assert names(look([full], loads={EAST: (1, 9)})) == ["east"]
    (dropped,) = look([full], loads={EAST: (2, 9)})
    assert (dropped.dropped, dropped.by) == ("has its 2 orders of the day (2026-11-27)", Reason.CAPACITY)
    assert dropped.retry_at == micros(datetime(2026, 11, 28, 5, tzinfo=UTC))
    (dropped,) = look([site(EAST, "east", capacity_orders=1)], loads={EAST: (2, 9)})
    assert dropped.dropped.startswith("has its 1 order of the day")


def test_units_of_the_day_count_with_the_order_at_hand_but_an_empty_day_takes_any() -> None:
    place = site(EAST, "east", capacity_units=10)
    assert names(look([place], ask=Ask(units=4), loads={EAST: (1, 6)})) == ["east"]
    (dropped,) = look([place], ask=Ask(units=5), loads={EAST: (1, 6)})
    assert dropped.dropped == "has 6 of its 10 units of the day, and the order has 5 (2026-11-27)"
    assert names(look([place], ask=Ask(units=50))) == ["east"]
    assert names(look([site(EAST, "east", capacity_units=0)], ask=Ask(units=1))) == []


def test_the_least_loaded_goes_first() -> None:
    found = look(ALL, Rules(rank=("balance", "priority")), loads={EAST: (3, 3), WEST: (5, 5), MID: (4, 4)})
    assert names(found) == ["east", "mid", "west"]
    assert [one.load for one in found] == [3, 4, 5]


LATER = micros(datetime(2026, 11, 30, 17, tzinfo=UTC))


def test_what_would_ship_too_late_is_ranked_behind_or_refused() -> None:
    """Noon on Friday; east stops at eleven and rests over the weekend."""
    east = site(EAST, "east", 1, cut_off=11 * 60, ship_days=(0, 1, 2, 3, 4), timezone="America/New_York")
    west = site(WEST, "west", 2)
    ask = Ask(ship_by=LATER - 24 * 3_600 * 1_000_000)
    found = look([east, west], ask=ask)
    assert names(found) == ["east", "west"]
    assert (found[0].ships, found[0].late) == ("2026-11-30", True)
    assert names(look([east, west], Rules(late="avoid"), ask)) == ["west", "east"]
    refused = look([east, west], Rules(late="refuse"), ask)
    assert names(refused) == ["west"]
    assert (refused[1].dropped, refused[1].by) == ("ships on 2026-11-30, which is too late", Reason.LATE)
    in_time = Ask(ship_by=LATER)
    assert names(look([east, west], Rules(late="refuse"), in_time)) == ["east", "west"]


def test_the_sooner_ship_day_goes_first() -> None:
    east = site(EAST, "east", 1, cut_off=11 * 60, timezone="America/New_York")
    found = look([east, OAKLAND], Rules(rank=("ship_day", "priority")))
    assert names(found) == ["west", "east"]


ZONES = Rules(
    rank=("cost", "zone"),
    zones={"east": {"1": 2, "100": 1, "": 8}, "west": {"9": 1}},
    parcel={0: 9_000_000, 1: 4_000_000, 8: 12_000_000},
    per_kg={0: 1_000_000},
)


def test_a_zone_is_that_of_the_longest_beginning() -> None:
    assert [zone_of(ZONES, "east", code) for code in ("10002", "11201", "94601", "")] == [1, 2, 8, 8]
    assert [zone_of(ZONES, "west", code) for code in ("94601", "10002")] == [1, None]
    assert zone_of(ZONES, "mid", "10002") is None


def test_a_parcel_costs_what_its_zone_says_and_its_weight_adds() -> None:
    assert cost_of(ZONES, 1, 1_500) == 5_500_000
    assert cost_of(ZONES, 2, 0) == 9_000_000
    assert cost_of(ZONES, None, 1) == 9_001_000
    assert cost_of(Rules(parcel={3: 1}), 2, 500) is None


def test_the_cheaper_goes_first() -> None:
    found = look(ALL, ZONES, Ask("US", "10002", grams=2_000))
    assert [(one.location, one.zone, one.cost) for one in found] == [
        ("east", 1, 6_000_000),
        ("mid", None, 11_000_000),
        ("west", None, 11_000_000),
    ]
