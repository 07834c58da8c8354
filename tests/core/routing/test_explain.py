"""A stored decision as sentences."""

from __future__ import annotations

from core.routing.explain import explain

ALONE = (
    '{"rule":"one location holds everything","rank":["priority","distance"],"candidates":['
    '{"location":"north","id":3,"priority":1,"km":900},'
    '{"location":"east","id":1,"priority":2,"km":12,"zone":2,"cost":6500000,"load":4,"ships":"2026-11-30","late":true},'
    '{"location":"west","id":2,"priority":2,"km":4129},'
    '{"location":"old","id":4,"dropped":"not active"}],"lacks":{"3":{"7":[1,2]}},"units":{"7":2}}'
)


def test_who_was_chosen_who_was_passed_over_and_who_was_left_out() -> None:
    assert explain(ALONE, 1, {7: "SKU-7"}) == [
        "rule: one location holds everything; locations ranked by priority, then distance",
        "1. north (priority 1, 900 km away): passed over: 1 of 2 SKU-7",
        "2. east (priority 2, 12 km away, zone 2, costs 6.50, 4 orders today, ships on 2026-11-30, too late): chosen:"
        " holds everything, and ranks before west by distance",
        "3. west (priority 2, 4,129 km away): not needed",
        "old was left out: not active",
    ]


def test_an_order_in_several_parcels_tells_each_for_itself() -> None:
    decision = (
        '{"rule":"the fewest parcels","rank":["priority"],"candidates":[{"location":"east","id":1,"priority":1},'
        '{"location":"west","id":2,"priority":2}],"lacks":{"1":{"7":[1,2]},"2":{"7":[1,2]}},'
        '"shares":{"1":{"7":1},"2":{"7":1}},"at_least":2,"units":{}}'
    )
    assert explain(decision, 2)[1:] == [
        "at least 2 parcels are needed; whether so few suffice took too long to find out",
        "1. east (priority 1, distance not known): asked for 1 of line 7, and has 1 of 2 of line 7",
        "2. west (priority 2, distance not known): chosen for 1 of line 7, and has 1 of 2 of line 7",
    ]


def test_an_order_that_waits_has_nobody_chosen() -> None:
    decision = (
        '{"rule":"r","candidates":[{"location":"east","id":1,"priority":1},{"location":"west","id":2,"priority":2}],'
        '"lacks":{"1":{"7":[0,2]}}}'
    )
    assert explain(decision, 0, {7: "A"})[1:] == [
        "1. east (priority 1, distance not known): does not hold everything: 0 of 2 A",
        "2. west (priority 2, distance not known): holds everything",
    ]


def test_decisions_of_before_are_still_told() -> None:
    decision = (
        '{"rule":"most units first","short":[1,2],"candidates":[{"location":"east","id":1,"priority":1,"km":12},'
        '{"location":"west","id":2,"priority":2},{"location":"old","id":3,"dropped":"not active"}]}'
    )
    assert explain(decision, 2) == [
        "rule: most units first",
        "1. east (priority 1, 12 km away): passed over",
        "2. west (priority 2, distance not known): chosen for what it has",
        "old was left out: not active",
    ]
    assert explain("{}", 1) == []
