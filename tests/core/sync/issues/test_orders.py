"""Orders that need a person: each kind comes with its cause and goes with it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from core.connector import Ability
from core.model import Ack, AckState, CancelReason, Hold, instant
from core.settings import IssuesSettings
from core.sync.cancel import Decision, cancel
from core.sync.deadlines import near
from core.sync.issues import View, inbox
from core.sync.push import push_acknowledgements
from core.sync.reject import reject_at
from core.sync.stock import count
from tests.core.sync.fake import SIMPLE, Fake, applied
from tests.core.sync.issues.seen import of, one, runs, seen
from tests.core.sync.world import START, World, connector, line, order

HOUR = 3600
MICROS = 1_000_000


def by(hours: float) -> Any:
    return instant(START) + timedelta(hours=hours)


def test_a_suggestion_that_cannot_be_run_would_be_seen() -> None:
    assert runs("ordersync order 12")
    assert not runs("ordersync order")
    assert not runs("ordersync order 12 13")
    assert not runs("ordersync order 12 --buyers")
    assert not runs("ordersync mend 12")
    assert not runs("ordersync listings mend")


def test_an_order_that_is_to_leave_soon_is_an_issue_until_it_has(world: World) -> None:
    world.item("A", east=3)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 2), line(2, "A", 2), ship_by=by(30)), order("2", line(1, "A")))
    assert of(seen(world, shop), "late") == []
    world.later(7 * HOUR)
    issue = one(seen(world, shop), "late")
    assert (issue.id, issue.channel, issue.subject) == ("late:shop:1", "shop", "#1")
    assert issue.deadline == START + 30 * HOUR * MICROS
    assert issue.cause == "4 of 4 units have not left (3 asked of east, 1 backordered)"
    assert issue.commands[0] == f"ordersync order {world.order('1').id}"
    assert "--location east" in issue.commands[1]
    world.ship("1")
    assert one(seen(world, shop), "late").cause == "1 of 4 units have not left (1 backordered)"
    world.receive("A", "east", 2)
    world.refill(shop)
    world.ship("1", tracking="T2")
    assert seen(world, shop).issues == []


def test_what_is_no_order_of_ours_is_never_late(world: World) -> None:
    world.item("A", east=3)
    shop = world.channel()
    lines = (line(1, "A"),)
    world.take(shop, order("1", *lines, ship_by=by(1), test=True))
    world.take(shop, order("2", line(1, "A", 1, cancelled=1), ship_by=by(1)))
    assert of(seen(world, shop), "late") == []
    assert len(of(seen(world, shop, late_hours=0), "late")) == 0
    world.take(shop, order("3", *lines, ship_by=by(1)))
    assert [issue.subject for issue in of(seen(world, shop), "late")] == ["#3"]
    assert of(seen(world, shop, late_hours=0), "late") == []
    world.later(2 * HOUR)
    assert [issue.subject for issue in of(seen(world, shop, late_hours=0), "late")] == ["#3"]


def test_the_most_urgent_comes_first(world: World) -> None:
    world.item("A", east=9)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A"), ship_by=by(5)), order("2", line(1, "A"), ship_by=by(3)))
    world.take(shop, order("3", line(1, "?")), order("4", line(1, "A"), ship_by=by(4)))
    world.take(shop, order("5", line(1, "A"), acknowledged=False, acknowledge_by=by(0.5)))
    found = seen(world, shop)
    assert [issue.subject for issue in found.issues] == ["#5", "#2", "#4", "#1", "?"]
    assert found.counts == {"late": 3, "acknowledge": 1, "unknown_sku": 1}
    few = inbox(world.store, View(world.now, IssuesSettings(), {}), ["late", "unknown_sku"], limit=1)
    assert [issue.subject for issue in few.issues] == ["#2"]
    assert few.counts == {"late": 3, "unknown_sku": 1}


def test_an_acknowledgement_is_an_issue_while_the_channel_soon_stops_waiting(world: World) -> None:
    world.item("A", east=9)
    shop = world.channel(acknowledge_alert_minutes=90)
    world.take(shop, order("1", line(1, "A"), acknowledged=False, acknowledge_by=by(4)))
    world.later(2 * HOUR)
    assert seen(world, shop).issues == []
    world.later(HOUR)
    issue = one(seen(world, shop), "acknowledge")
    assert (issue.id, issue.deadline) == ("acknowledge:shop:1", START + 4 * HOUR * MICROS)
    soon = near(world.store, {"shop": shop.settings.model_copy(update={"connector": "sandbox"})}, world.now)
    assert soon["shop"].by == issue.deadline  # what status and the log say
    connector(shop).answer = lambda pushed: Ack(key=applied(pushed).key, state=AckState.REFUSED, reason="closed")
    push_acknowledgements(world.store, shop, world.clock)
    found = seen(world, shop)
    assert of(found, "acknowledge") == []
    assert one(found, "push_refused").deadline == issue.deadline


def test_a_channel_that_is_only_watched_has_no_deadline_of_ours(world: World) -> None:
    world.item("A", east=9)
    shop = world.channel(mode="shadow")
    world.take(shop, order("1", line(1, "A"), acknowledged=False, acknowledge_by=by(0)))
    assert of(seen(world, shop), "acknowledge") == []


def test_one_missing_mapping_is_one_issue_whatever_it_holds(world: World) -> None:
    """Nineteen orders wait for one mapping: the one thing to do is said once, with all it will free."""
    world.item("A", east=99)
    shop = world.channel()
    world.take(shop, *(order(str(n), line(1, "A"), line(2, "NEW ONE"), ship_by=by(90 + n)) for n in range(19)))
    issue = one(seen(world, shop), "unknown_sku")
    assert (issue.id, issue.subject) == ("unknown_sku:shop:NEW ONE", "NEW ONE")
    assert "19 units of 19 orders are held" in issue.cause
    assert issue.deadline == START + 90 * HOUR * MICROS
    assert issue.commands[0] == "ordersync listings map shop 'NEW ONE' ITEM-SKU"
    world.item("NEW ONE", east=19)
    world.refill(shop)
    assert seen(world, shop).issues == []


def test_what_only_a_person_can_lift_is_an_issue_and_what_the_buyer_will_is_not(world: World) -> None:
    world.item("A", east=9)
    shop = world.channel()
    holds = (Hold.BUYER_CANCEL, Hold.PENDING, Hold.PAYMENT)
    world.take(shop, order("1", line(1, "A"), holds=holds), order("2", line(1, "A"), holds=(Hold.FRAUD,)))
    world.hold("2", Hold.OPERATOR)
    found = of(seen(world, shop), "held")
    assert [issue.id for issue in found] == ["held:shop:1:buyer_cancel", "held:shop:2:fraud", "held:shop:2:operator"]
    assert found[0].commands[0] == f"ordersync cancel {world.order('1').id} --reason buyer"
    cancel(world.store, Decision(order_id=world.order("1").id, reason=CancelReason.BUYER), world.now)
    world.lift("2")
    world.lift("2", Hold.FRAUD)
    assert of(seen(world, shop), "held") == []


def test_an_order_nobody_can_send_is_an_issue_once_a_turn_had_its_chance(world: World) -> None:
    world.routing = world.routing.model_copy(update={"split": False})
    world.item("A", east=1)
    world.item("B", west=1)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A"), line(2, "B")))
    assert of(seen(world, shop), "unrouted") == []
    world.later(11 * 60)
    issue = one(seen(world, shop), "unrouted")
    assert issue.cause.startswith("2 of its units are reserved, and no location can send them: ")
    world.receive("B", "east", 1)
    world.refill(shop)
    assert seen(world, shop).issues == []


def test_a_location_that_declined_can_be_asked_again(world: World) -> None:
    world.item("A", east=1)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A")))
    world.release(shop)
    id = world.order("1").id
    reject_at(world.store, id, "east", None, "dropped", "3pl", world.later(11 * 60))
    issue = one(seen(world, shop), "unrouted")
    assert issue.commands == (
        f"ordersync order {id}", f"ordersync reroute {id} --allow east", "ordersync stock show",
    )  # fmt: skip
    assert all(map(runs, issue.commands))


def test_a_promise_taken_back_is_an_issue_until_it_is_kept(world: World) -> None:
    world.item("A", east=3)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 2)), order("2", line(1, "A")))
    count(world.store, "A", "east", 2, world.later())
    issue = one(seen(world, shop), "taken_back")
    assert (issue.id, issue.since) == ("taken_back:shop:2", world.now)
    assert issue.cause == "a promise was taken back: 1 of A backordered again"
    world.later(8 * 24 * HOUR)
    assert of(seen(world, shop), "backorder") == []  # one order, one row
    world.receive("A", "east", 1)
    world.refill(shop)
    assert of(seen(world, shop), "taken_back") == []


def test_a_backorder_is_an_issue_after_some_days(world: World) -> None:
    world.item("A", east=1)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 3)))
    world.later(6 * 24 * HOUR)
    assert of(seen(world, shop), "backorder") == []
    assert one(seen(world, shop, backorder_days=5), "backorder").subject == "#1"
    world.later(24 * HOUR)
    issue = one(seen(world, shop), "backorder")
    assert issue.cause == "2 of A backordered"
    world.receive("A", "west", 2)
    world.refill(shop)
    assert of(seen(world, shop), "backorder") == []


def test_only_one_channels_issues_are_shown_when_it_is_named(world: World) -> None:
    world.item("A", east=9)
    shop, mall = world.channel(), world.channel("mall", Fake(abilities=SIMPLE - {Ability.ACKNOWLEDGE}))
    world.take(shop, order("1", line(1, "?")))
    world.take(mall, order("1", line(1, "?"), line(2, "??")))
    assert len(seen(world, shop, mall).issues) == 3
    assert {issue.channel for issue in seen(world, shop, mall, channel="mall").issues} == {"mall"}
    assert seen(world, shop, mall, channel="mall").counts == {"unknown_sku": 2}
