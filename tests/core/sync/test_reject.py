"""A location says it cannot send what it was asked for: units stay promised, and the order goes elsewhere or waits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from core.errors import UserError
from core.model import CancelReason
from core.settings import RoutingSettings
from core.store.database import Tx
from core.sync import refill as refilling
from core.sync.cancel import Decision, cancel
from core.sync.channel import Channel
from core.sync.reject import DeskOf, Rerouted, reject, reject_at, reroute
from core.sync.story import tell
from tests.core.sync.world import OAKLAND, World, edited, line, order

WHY = "not on its shelf"


def by(channel: Channel) -> DeskOf:
    return lambda tx, name: channel if name == channel.name else None


def asked(world: World, number: str, location: str = "east") -> int:
    """The newest fulfilment order of an order at a location."""
    return int(
        world.value(
            "SELECT max(f.id) FROM fulfilment_orders f JOIN locations p ON p.id = f.location_id"
            " WHERE f.order_id = :id AND p.name = :name",
            id=world.order(number).id,
            name=location,
        )
    )


def say_no(world: World, shop: Channel, number: str, location: str = "east", **units: int) -> Rerouted:
    world.later()
    return reject(world.store, asked(world, number, location), units or None, WHY, "3pl", world.now, desk=by(shop))


def anew(world: World, shop: Channel, number: str, **how: Any) -> Rerouted:
    world.later()
    return reroute(world.store, world.order(number).id, "operator", world.now, desk=by(shop), **how)


def happened(world: World, number: str) -> Sequence[tuple[str, str]]:
    rows = world.rows("SELECT event, detail FROM audit WHERE order_id = :id ORDER BY id", id=world.order(number).id)
    return [(row.event, row.detail) for row in rows]


def test_work_that_is_rejected_goes_to_the_next_location_at_once(world: World) -> None:
    world.item("A", east=5, west=5)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 2)))
    world.release(shop)
    done = say_no(world, shop, "1")
    assert (done.new, done.units, done.asked, done.waits) == (True, {"1": 2}, {"west": 2}, "")
    assert world.work("1") == [("east", "rejected", 0, 0), ("west", "planned", 2, 0)]
    assert world.at("A") == {"east": (5, 0), "west": (5, 2)}
    assert world.stock("A") == (10, 2)
    assert happened(world, "1") == [
        ("rejected", f"east cannot send 2 of A: {WHY}"),
        ("routed again", "2 of A reserved, 2 allocated"),
    ]
    row = world.row("SELECT * FROM left_out")
    assert (row.why, row.actor, row.at) == (WHY, "3pl", world.now)


def test_the_decision_says_who_was_left_out_and_why(world: World) -> None:
    world.item("A", east=5, west=5)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 2)))
    say_no(world, shop, "1")
    with world.store.read() as tx:
        story = tell(tx, world.order("1"))
    assert f"east was left out: {WHY}" in story.work[-1].why
    assert [(one.location, one.why, one.actor) for one in story.left_out] == [("east", WHY, "3pl")]
    assert story.waiting is None


def test_some_units_are_rejected_and_the_rest_stays(world: World) -> None:
    world.item("A", east=5, west=5)
    world.item("B", east=5)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 3), line(2, "B")))
    world.release(shop)
    done = say_no(world, shop, "1", A=1)
    assert done.asked == {"east": 3, "west": 1}
    assert world.work("1") == [("east", "released", 3, 0), ("west", "planned", 1, 0)]
    assert world.at("A") == {"east": (5, 2), "west": (5, 1)}


def test_what_nobody_else_has_keeps_its_promise_and_waits_until_stock_comes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.item("A", east=5)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 2)))
    done = say_no(world, shop, "1")
    assert (done.asked, done.waits, done.backordered) == ({}, f"east: {WHY}", 0)
    assert world.counts("1") == {"ordered": 2, "reserved": 2}
    assert world.stock("A") == (5, 2)
    parked = world.row("SELECT * FROM parked")
    assert (parked.reason, parked.since, parked.due_at) == ("rejected", world.now, None)
    assert happened(world, "1")[-1][0] == "waits for a location"
    with world.store.read() as tx:
        story = tell(tx, world.order("1"))
    assert story.waiting is not None
    assert story.waiting.why[-1] == f"east was left out: {WHY}"
    looked: list[list[int]] = []
    resume = refilling.resume
    monkeypatch.setattr(
        refilling, "resume", lambda tx, own, ids, now, **how: looked.append(ids) or resume(tx, own, ids, now, **how)
    )
    assert [world.refill(shop) for _ in range(3)] == [0, 0, 0]
    assert looked == [], "it is not looked at in vain"
    world.receive("A", "west", 1)
    assert world.refill(shop) == 1
    assert world.work("1") == [("east", "rejected", 0, 0), ("west", "planned", 1, 0)]
    assert world.row("SELECT since FROM parked").since == parked.since, "one of two still waits"
    world.receive("A", "west", 1)
    assert world.refill(shop) == 1
    assert world.counts("1") == {"ordered": 2, "reserved": 2, "allocated": 2}
    assert world.rows("SELECT * FROM parked") == []


def test_a_parked_order_is_looked_at_anew_by_other_rules(world: World) -> None:
    world.item("A", east=1, west=1)
    world.routing = RoutingSettings(split=False)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 2)))
    assert world.row("SELECT reason FROM parked").reason == "split"
    assert world.refill(shop) == 0
    world.routing = RoutingSettings()
    assert world.refill(world.channel()) == 1
    assert sorted(world.work("1")) == [("east", "planned", 1, 0), ("west", "planned", 1, 0)]
    assert world.rows("SELECT * FROM parked") == []


def test_what_moves_is_checked_against_what_is_free_there(world: World) -> None:
    world.item("A", east=5, west=2)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 2)), order("2", line(1, "A", 3)))
    say_no(world, shop, "2")
    assert world.at("A") == {"east": (5, 2), "west": (2, 2)}
    done = say_no(world, shop, "1")
    assert (done.asked, done.waits) == ({}, f"east: {WHY}")
    assert world.at("A") == {"east": (5, 0), "west": (2, 2)}
    assert world.stock("A") == (7, 5)


def test_saying_it_again_changes_nothing(world: World) -> None:
    world.item("A", east=5, west=5)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 3)))
    work = asked(world, "1")
    for wanted in ({"A": 1}, None):
        first = reject(world.store, work, wanted, WHY, "3pl", world.now, desk=by(shop))
        before = world.work("1"), happened(world, "1")
        again = reject(world.store, work, wanted, WHY, "3pl", world.later(), desk=by(shop))
        assert (first.new, again.new, again.units) == (True, False, first.units)
        assert (world.work("1"), happened(world, "1")) == before
    assert world.work("1")[0] == ("east", "rejected", 0, 0)


def test_another_reference_is_another_unit(world: World) -> None:
    world.item("A", east=5, west=5)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 3)))
    work = asked(world, "1")
    for reference in ("m1", "m2", "m1"):
        reject(world.store, work, {"A": 1}, WHY, "3pl", world.now, reference=reference, desk=by(shop))
    assert world.work("1")[0] == ("east", "planned", 1, 0)


def test_what_was_sent_stays_sent(world: World) -> None:
    world.item("A", east=5, west=5)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 3)))
    world.release(shop)
    world.ship("1", A=1)
    assert say_no(world, shop, "1").units == {"1": 2}
    assert world.work("1") == [("east", "done", 1, 1), ("west", "planned", 2, 0)]


def test_a_kit_is_rejected_with_all_its_parts(world: World) -> None:
    world.item("CUP", east=4, west=4)
    world.item("SPOON", east=2, west=1)
    world.kit("SET", {"CUP": 2, "SPOON": 1})
    shop = world.channel()
    world.take(shop, order("1", line(1, "SET", 2)))
    say_no(world, shop, "1", SET=1)
    assert world.at("CUP") == {"east": (4, 2), "west": (4, 2)}
    assert world.at("SPOON") == {"east": (2, 1), "west": (1, 1)}


def test_what_a_location_was_not_asked_for_it_cannot_reject(world: World) -> None:
    world.item("A", east=5, west=5)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 2)))
    with pytest.raises(UserError, match=r"east cannot refuse 3 of A: it is asked for 2"):
        say_no(world, shop, "1", A=3)
    with pytest.raises(UserError, match="no line 'B'"):
        say_no(world, shop, "1", B=1)
    with pytest.raises(UserError, match="no fulfilment order 77"):
        reject(world.store, 77, None, WHY, "3pl", world.now)
    with pytest.raises(UserError, match="nothing was named"):
        reject(world.store, asked(world, "1"), {}, WHY, "3pl", world.now)
    with pytest.raises(UserError, match="west was asked for nothing of order #1"):
        reject_at(world.store, world.order("1").id, "west", None, WHY, "3pl", world.now)
    with pytest.raises(UserError, match=r"no location 'wset'; there are: east, west"):
        reject_at(world.store, world.order("1").id, "wset", None, WHY, "3pl", world.now)
    world.ship("1")
    with pytest.raises(UserError, match="nothing more of order #1: that work is done"):
        say_no(world, shop, "1")
    assert world.rows("SELECT * FROM left_out") == []


def test_a_held_order_is_routed_once_its_hold_is_lifted(world: World) -> None:
    world.item("A", east=5, west=5)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 2)))
    world.hold("1")
    done = say_no(world, shop, "1")
    assert (done.asked, done.waits) == ({}, "")
    assert world.refill(shop) == 0
    world.lift("1")
    assert world.refill(shop) == 1
    assert world.work("1")[-1] == ("west", "planned", 2, 0)


def test_without_a_desk_the_channels_next_turn_routes_it(world: World) -> None:
    world.item("A", east=5, west=5)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 2)))
    wanted = world.channel_row().wanted
    done = reject(world.store, asked(world, "1"), None, WHY, "3pl", world.now)
    assert (done.new, done.asked) == (True, {})
    assert world.channel_row().wanted == wanted + 1
    assert world.refill(shop) == 1
    assert world.work("1")[-1] == ("west", "planned", 2, 0)


def test_within_a_transaction_of_the_callers(world: World) -> None:
    world.item("A", east=5, west=5)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 2)))
    work = asked(world, "1")

    def two(tx: Tx) -> None:
        reject(tx, work, {"A": 1}, WHY, "3pl", world.now, desk=by(shop))
        reject(tx, work, None, WHY, "3pl", world.now, desk=by(shop))

    world.store.transact(two)
    assert world.work("1")[0] == ("east", "rejected", 0, 0)
    assert sum(units for _, _, units, _ in world.work("1")) == 2


def test_a_newer_version_does_not_go_back_to_who_said_no(world: World) -> None:
    world.item("A", east=9, west=9)
    shop = world.channel()
    one = order("1", line(1, "A", 2))
    world.take(shop, one)
    say_no(world, shop, "1")
    world.take(shop, edited(one, lines=(line(1, "A", 3),)))
    assert {place for place, state, _, _ in world.work("1") if state == "planned"} == {"west"}
    world.take(shop, edited(one, version=3, lines=(line(1, "A", 3),), ship_to=OAKLAND))
    assert {place for place, state, _, _ in world.work("1") if state == "planned"} == {"west"}


def test_a_page_parks_what_was_left_out_and_tells_it_once(world: World) -> None:
    world.item("A", east=9)
    shop = world.channel()
    one = order("1", line(1, "A", 2))
    world.take(shop, one)
    say_no(world, shop, "1")
    world.take(shop, edited(one, version=2, lines=(line(1, "A", 3),)), edited(one, version=3, lines=(line(1, "A", 3),)))
    assert world.counts("1") == {"ordered": 3, "reserved": 3}
    assert world.timeline("1").count("waits for a location") == 1


def test_a_parked_order_that_is_cancelled_or_sent_waits_no_more(world: World) -> None:
    world.item("A", east=9)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 2)), order("2", line(1, "A", 2)))
    say_no(world, shop, "1")
    say_no(world, shop, "2")
    assert len(world.rows("SELECT * FROM parked")) == 2
    cancel(world.store, Decision(world.order("1").id, CancelReason.OUT_OF_STOCK), world.now)
    assert [row.order_id for row in world.rows("SELECT * FROM parked")] == [world.order("2").id]
    world.ship("2", location="east", A=2)  # it found them after all
    assert world.rows("SELECT * FROM parked") == []


# Rerouting by hand.


def test_planned_work_is_routed_anew(world: World) -> None:
    world.item("A", west=5)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 2)))
    world.receive("A", "east", 5)
    assert anew(world, shop, "1").asked == {"east": 2}
    assert world.work("1") == [("west", "cancelled", 0, 0), ("east", "planned", 2, 0)]
    assert happened(world, "1")[0] == ("routed anew", "2 of A taken back")


def test_away_from_a_location(world: World) -> None:
    world.item("A", east=1, west=5)
    world.item("B", west=5)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A"), line(2, "B")))
    assert anew(world, shop, "1", away_from="west", why="a strike").asked == {"east": 1}
    assert world.counts("1", 2) == {"ordered": 1, "reserved": 1}
    assert world.row("SELECT why FROM parked").why == "west: a strike"
    assert anew(world, shop, "1", allow=["west"]).asked == {"west": 2}
    assert world.rows("SELECT * FROM left_out") == []


def test_released_work_is_not_taken_back_unless_it_is_recalled(world: World) -> None:
    world.item("A", east=5, west=5)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 2)))
    world.release(shop)
    with pytest.raises(UserError, match=r"east may be picking order #1 already; tell them to stop, then say --recall"):
        anew(world, shop, "1", away_from="east")
    assert world.work("1") == [("east", "released", 2, 0)]
    assert world.rows("SELECT * FROM left_out") == []
    assert anew(world, shop, "1", away_from="east", recall=True).asked == {"west": 2}
    assert "east had been asked already" in happened(world, "1")[0][1]


def test_what_is_rejected_twice_over_goes_round_all_locations_and_waits(world: World) -> None:
    world.item("A", east=5, west=5)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 2)))
    say_no(world, shop, "1")
    done = say_no(world, shop, "1", "west")
    assert done.waits == f"east: {WHY}; west: {WHY}"
    assert msgspec.to_builtins(done)["asked"] == {}
    assert world.stock("A") == (10, 2)
