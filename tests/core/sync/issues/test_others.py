"""Channels, pushes, documents, listings and returns that need a person: each comes and goes with its cause."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import msgspec
import pytest

from core.connector import Ability
from core.errors import Unauthorized, Unavailable, UserError
from core.model import (
    Ack,
    AckState,
    CancelReason,
    Fulfiller,
    Hint,
    HintKind,
    Hold,
    Observation,
    Package,
    Page,
    instant,
)
from core.settings import Problem
from core.sync import late
from core.sync.breaches import keep_breaches
from core.sync.cancel import Decision, cancel
from core.sync.channel import Channel
from core.sync.correct import Correction, correct
from core.sync.evidence import Cause, Difference, Reconciliation, keep
from core.sync.hear import Heard, hear
from core.sync.issues import KINDS
from core.sync.late import Keep
from core.sync.listings import read_listings
from core.sync.mapping import map_listing
from core.sync.push import push_cancellations, push_tracking
from core.sync.pushes import drop, retry
from core.sync.returns import take_returns
from core.sync.round import run_round
from core.sync.status import standing
from core.sync.stock import count
from core.sync.take_in import take_in
from core.sync.verify import verify
from core.sync.void import Void, void
from core.sync.work import failed, finished
from tests.core.sync.corrupt import corrupting
from tests.core.sync.fake import SIMPLE, Fake, applied
from tests.core.sync.issues.seen import of, one, seen
from tests.core.sync.test_returns import back
from tests.core.sync.world import OAKLAND, World, connector, edited, line, order, page

HOUR = 3600
DAY = 24 * HOUR


@pytest.fixture
def shop(world: World) -> Channel:
    world.item("A", east=9)
    return world.channel()


def fails(world: World, shop: Channel, error: Exception) -> None:
    with world.store.write() as tx:
        failed(tx, shop.id, shop.epoch, error, 300, world.now)


def works(world: World, shop: Channel) -> None:
    with world.store.write() as tx:
        before = tx.row("SELECT * FROM channels WHERE id = :id", id=shop.id)
        finished(tx, shop.id, shop.epoch, before, world.now + 15_000_000, world.now, began=world.now)


def test_a_dead_token_is_said_of_its_channel_alone(world: World, shop: Channel) -> None:
    mall = world.channel("mall", Fake())
    fails(world, shop, Unauthorized("the token is revoked; make a new one"))
    fails(world, mall, Unavailable("no answer"))
    found = seen(world, shop, mall)
    assert one(found, "parked").id == "parked:shop:shop"
    assert "the token is revoked; make a new one" in one(found, "parked").cause
    assert one(found, "parked").since == world.now
    assert one(found, "outage").channel == "mall"
    works(world, shop)
    works(world, mall)
    assert seen(world, shop, mall).issues == []


def test_a_channel_nobody_works_on_is_said_however_well_it_was(world: World, shop: Channel) -> None:
    works(world, shop)
    world.later(15 + 2 * 60 + 300)
    assert seen(world, shop, poll=60).issues == []
    world.later(1)
    issue = one(seen(world, shop, poll=60), "idle")
    assert "turn is overdue" in issue.cause
    world.take(shop, order("1", line(1, "A")))  # a long turn is no idle one
    assert of(seen(world, shop, poll=60), "idle") == []


def test_a_channel_that_never_had_a_turn_is_said(world: World, shop: Channel) -> None:
    never = replace(shop, name="mall")
    assert one(seen(world, shop, never), "idle").cause.startswith("it has never been worked on")


def test_a_channel_left_out_for_its_file_is_said(world: World, shop: Channel) -> None:
    wrong = Problem("channels/mall.toml:3", "buffer", "no number", "write one")
    issue = one(seen(world, shop, problems=(wrong,)), "configuration")
    assert (issue.id, issue.channel) == ("configuration:mall:channels/mall.toml:buffer", "mall")
    assert of(seen(world, shop, problems=(wrong,), channel="shop"), "configuration") == []


def test_what_a_channel_says_of_the_account_and_of_its_subscriptions(world: World, shop: Channel) -> None:
    hint = Hint(id="e1", kind=HintKind.ACCOUNT, at=instant(world.now), reason="a policy was broken")
    hear(world.store, {"shop": Heard(hints=[hint])}, world.now)
    with world.store.write() as tx:
        tx.run("UPDATE hearing SET audit_trouble = 'it does not call; subscribe' WHERE channel_id = :id", id=shop.id)
    found = seen(world, shop)
    assert one(found, "notice").cause == "a policy was broken"
    assert one(found, "subscription").cause == "it does not call; subscribe"
    with world.store.write() as tx:
        tx.run("UPDATE hearing SET audit_trouble = ''")
        tx.run("DELETE FROM hints")
    assert seen(world, shop).issues == []


def test_a_backfill_that_failed_is_an_issue_until_the_next(world: World, shop: Channel) -> None:
    add = (
        "INSERT INTO backfills (channel_id, since, until, state, reason, done_at)"
        " VALUES (:id, 1, 2, :state, 'too far back; choose a later TIME', :now)"
    )
    with world.store.write() as tx:
        tx.run(add, id=shop.id, state="failed", now=world.now)
    assert one(seen(world, shop), "backfill").cause == "too far back; choose a later TIME"
    with world.store.write() as tx:
        tx.run(add, id=shop.id, state="open", now=None)
    assert seen(world, shop).issues == []


def test_what_a_channel_refuses_is_an_issue_until_it_is_mended_or_dropped(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A")), order("2", line(1, "A")))
    world.ship("1", tracking="T1")
    world.ship("2", tracking="T2")
    connector(shop).answer = lambda push: Ack(
        key=applied(push).key, state=AckState.REFUSED, reason="no such carrier; map it"
    )
    push_tracking(world.store, shop, world.clock)
    found = of(seen(world, shop), "push_refused")
    assert [issue.subject for issue in found] == ["#1", "#2"]
    assert found[0].cause == "tracking (UPS T1) refused: no such carrier; map it"
    first, second = (int(issue.commands[0].split()[-1]) for issue in found)
    retry(world.store, first, world.now)
    drop(world.store, second, "told by hand", world.now)
    assert of(seen(world, shop), "push_refused") == []


def test_what_a_channel_never_answers_is_an_issue(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A")))
    world.ship("1")
    world.later(DAY)
    assert seen(world, shop).issues == []
    world.later(1)
    issue = one(seen(world, shop), "push_stuck")
    assert issue.cause == "tracking (UPS T1) is queued after 0 attempts"
    quiet = world.channel(push_tracking=False)
    assert seen(world, quiet).issues == []  # it waits on purpose
    fails(world, quiet, Unavailable("no answer"))
    assert [issue.kind for issue in seen(world, shop).issues] == ["outage"]


@pytest.fixture
def able(world: World) -> Channel:
    """A channel that can be told of cancellations, too."""
    world.item("A", east=9)
    return world.channel("shop", Fake(abilities=SIMPLE | {Ability.CANCEL}))


def call_off(world: World, number: str) -> None:
    cancel(world.store, Decision(order_id=world.order(number).id, reason=CancelReason.OTHER), world.now)


def taken(world: World, shop: Channel) -> None:
    """What is queued is told, and the channel takes it."""
    push_tracking(world.store, shop, world.clock)
    push_cancellations(world.store, shop, world.clock)


def test_what_a_channel_took_and_never_shows_is_an_issue(world: World, able: Channel) -> None:
    first, second = order("1", line(1, "A")), order("2", line(1, "A", 2))
    world.take(able, first, second)
    world.ship("1")
    call_off(world, "2")
    taken(world, able)
    assert {row.state for row in world.rows("SELECT state FROM pushes")} == {"applied"}
    world.later(DAY)
    assert of(seen(world, able), "push_unshown") == []
    world.later(1)
    parcel, off = of(seen(world, able), "push_unshown")
    assert "tracking (UPS T1)" in parcel.cause
    assert "cancel (" in off.cause
    with pytest.raises(UserError, match="cannot be dropped: the channel has taken it"):
        drop(world.store, int(parcel.commands[1].split()[-1]), "never mind", world.now)
    assert parcel.commands[0] == "ordersync resync shop 1"
    assert [words.split()[2] for words in off.commands[1:]] == ["retry", "drop"]
    box = Package(tracking="T1", carrier="UPS", lines={"1": 1})
    world.take(able, edited(first, lines=(line(1, "A", shipped=1),), packages=(box,)))
    assert [issue.subject for issue in of(seen(world, able), "push_unshown")] == ["#2"]
    world.take(able, edited(second, lines=(line(1, "A", 2, cancelled=2),)))
    assert of(seen(world, able), "push_unshown") == []


def test_what_a_channel_took_and_never_shows_is_told_again_or_taken_back(world: World, able: Channel) -> None:
    world.take(able, order("1", line(1, "A")), order("2", line(1, "A", 2)))
    world.ship("1")
    call_off(world, "2")
    taken(world, able)
    world.later(DAY + 1)

    def told() -> int:
        return len(connector(able).shipped) + len(connector(able).cancelled)

    for issue in of(seen(world, able), "push_unshown"):
        retry(world.store, int(issue.commands[1].split()[-1]), world.now)
    assert of(seen(world, able), "push_unshown") == []
    before = told()
    taken(world, able)
    assert told() == before + 2
    world.later(DAY + 1)
    off = of(seen(world, able), "push_unshown")[1]
    drop(world.store, int(off.commands[2].split()[3]), "it stays open there", world.now)
    assert world.line("2").reserved == 2
    assert len(of(seen(world, able), "push_unshown")) == 1


def test_what_a_channel_shows_is_not_missed_while_nobody_can_look(world: World, able: Channel) -> None:
    world.take(able, order("1", line(1, "A")))
    world.ship("1")
    taken(world, able)
    world.later(DAY + 1)
    fails(world, able, Unavailable("timed out"))
    assert of(seen(world, able), "push_unshown") == []
    works(world, able)
    assert "tracking (UPS T1)" in one(seen(world, able), "push_unshown").cause


def test_a_parcel_that_was_corrected_is_missed_once(world: World, able: Channel) -> None:
    world.take(able, order("1", line(1, "A")))
    world.ship("1")
    taken(world, able)
    correct(world.store, Correction(order_id=world.order("1").id, was="T1", tracking="T2"), world.now)
    taken(world, able)
    world.later(DAY + 1)
    assert "T2" in one(seen(world, able), "push_unshown").cause


def test_a_void_parcel_is_not_missed_at_the_channel_and_is_told_no_more(world: World, able: Channel) -> None:
    world.take(able, order("1", line(1, "A")))
    world.ship("1")
    taken(world, able)
    world.later(DAY + 1)
    push = int(one(seen(world, able), "push_unshown").commands[1].split()[-1])
    void(world.store, Void(world.order("1").id, "T1", "bought twice"), world.now)
    assert of(seen(world, able), "push_unshown") == []
    with pytest.raises(UserError, match="parcel T1 is void: it never left"):
        retry(world.store, push, world.now)
    taken(world, able)
    assert [one.tracking for one in connector(able).shipped] == ["T1"]


def test_a_refused_quantity_is_an_issue(world: World, shop: Channel) -> None:
    world.offer(shop, "A")
    with world.store.write() as tx:
        tx.run(
            "INSERT INTO levels (listing_id, place, channel_id, desired, state, reason)"
            " SELECT id, '', channel_id, 9, 'refused', 'no such listing; list it' FROM listings"
        )
    issue = one(seen(world, shop), "level_refused")
    assert (issue.id, issue.subject) == ("level_refused:shop:A@", "A")
    assert issue.cause == "the channel refuses 9 of it (it was told nothing): no such listing; list it"
    with world.store.write() as tx:
        tx.run("UPDATE levels SET state = 'applied', told = 9, sent = 9, sent_revision = revision")
    assert seen(world, shop).issues == []


def test_a_quantity_is_refused_no_more_once_its_listing_is_gone(world: World, shop: Channel) -> None:
    def waiting() -> dict[str, int]:
        told = msgspec.structs.asdict(standing(world.store).waiting["shop"])
        return {word: count for word, count in told.items() if count}

    world.offer(shop, "A")
    connector(shop).answer = lambda pushed: Ack(key=pushed.key, state=AckState.REFUSED, reason="no such listing")
    run_round(world.store, shop, {"shop": shop.settings}, world.clock)
    assert one(seen(world, shop), "level_refused").subject == "A"
    assert waiting() == {"levels_refused": 1}
    offers, connector(shop).offers = connector(shop).offers, []
    read_listings(world.store, shop, world.clock)
    assert of(seen(world, shop), "level_refused") == []
    assert waiting() == {"levels_unlisted": 1}
    assert standing(world.store).refusals == {}
    connector(shop).offers = offers
    read_listings(world.store, shop, world.clock)
    assert waiting() == {"levels_due": 1}


def test_a_document_set_aside_and_money_that_misses(world: World, shop: Channel) -> None:
    take_in(world.store, shop, Page(observations=(Observation(number="7", body=b"{"),), cursor="c"), 1, world.now)
    world.take(shop, order("8", line(1, "A"), total=Decimal("3.5")))
    found = seen(world, shop)
    assert one(found, "quarantine").subject == "order 7"
    money = one(found, "money")
    assert (money.id, "miss its total by" in money.cause, "3.5 USD" in money.cause) == ("money:shop:8", True, True)
    world.later()
    take_in(world.store, shop, page(order("7", line(1, "A"))), world.now, world.now)
    world.take(shop, order("8", line(1, "A"), version=2))
    assert seen(world, shop).issues == []


def test_an_order_that_may_ship_without_any_amount_is_an_issue_until_it_names_one(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A"), priced=False, holds=(Hold.PENDING,)))
    world.take(shop, order("2", line(1, "A"), priced=False, test=True))
    world.later(700)
    assert of(seen(world, shop), "unpriced") == []  # it waits for its buyer's payment
    world.take(shop, order("1", line(1, "A"), priced=False, version=2))
    issue = one(seen(world, shop), "unpriced")
    assert (issue.id, issue.subject) == ("unpriced:shop:1", "#1")
    world.take(shop, order("1", line(1, "A"), version=3))
    assert of(seen(world, shop), "unpriced") == []


def test_an_order_without_any_amount_is_told_until_it_has_left(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A"), priced=False))
    assert of(seen(world, shop), "unpriced") == []
    world.later(700)
    assert one(seen(world, shop), "unpriced").subject == "#1"
    world.release(shop)
    world.ship("1")
    assert of(seen(world, shop), "unpriced") == []


def test_what_nothing_mends_is_told_for_some_days(world: World, shop: Channel) -> None:
    world.take(shop, order("8", line(1, "A"), total=Decimal("3.5")))
    world.later(29 * DAY)
    assert of(seen(world, shop, backorder_days=365), "money") != []
    world.later(2 * DAY)
    assert of(seen(world, shop, backorder_days=365), "money") == []


def test_what_nothing_explains_is_an_issue_until_the_next_reconciliation(world: World, shop: Channel) -> None:
    def difference(subject: str, cause: Cause) -> Difference:
        return Difference(kind="order", subject=subject, there="open", here="absent", cause=cause, told="")

    found = Reconciliation(at=world.now, since=1, until=world.now)
    found.differences = [difference("1", Cause.UNEXPLAINED), difference("2", Cause.IN_FLIGHT)]
    keep(world.store, shop, found)
    issue = one(seen(world, shop), "difference")
    assert (issue.id, issue.since) == ("difference:shop:order:1", world.now)
    keep(world.store, shop, Reconciliation(at=world.now, since=1, until=world.now))
    assert seen(world, shop).issues == []


def test_a_breach_is_an_issue_from_one_verification_to_the_next(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A")))
    with corrupting(world.store) as tx:
        tx.run("UPDATE lines SET backordered = backordered + 1")
    keep_breaches(world.store, verify(world.store, file=False), world.now)
    began = world.now
    issue = one(seen(world, shop), "breach")
    assert (issue.channel, issue.since) == ("shop", began)
    assert issue.cause.startswith("I4: ")
    keep_breaches(world.store, verify(world.store, file=False), world.later())
    assert one(seen(world, shop), "breach") == issue
    with corrupting(world.store) as tx:
        tx.run("UPDATE lines SET backordered = backordered - 1")
    keep_breaches(world.store, verify(world.store, file=False), world.later())
    assert seen(world, shop).issues == []


def test_units_cancelled_after_they_left_are_an_issue_until_they_are_back(world: World, shop: Channel) -> None:
    first = order("1", line(1, "A", 2))
    world.take(shop, first)
    world.ship("1")
    world.take(shop, edited(first, lines=(line(1, "A", 2, cancelled=2),)))
    issue = one(seen(world, shop), "cancelled_late")
    assert (issue.id, issue.since) == ("cancelled_late:shop:1", world.now)
    assert issue.cause.startswith("cancelled after it left: 2 of its units")
    late.keep(world.store, Keep(world.order("1").id, "a gift", {"A": 1}), world.now)
    assert one(seen(world, shop), "cancelled_late").cause.startswith("cancelled after it left: 1 of")
    late.keep(world.store, Keep(world.order("1").id, "a gift"), world.now)
    assert of(seen(world, shop), "cancelled_late") == []


def test_units_that_left_although_cancelled_here_are_told_for_some_days(world: World, shop: Channel) -> None:
    first = order("1", line(1, "A", 2))
    world.take(shop, first)
    cancel(world.store, Decision(order_id=world.order("1").id, reason=CancelReason.BUYER), world.now)
    world.take(shop, edited(first, lines=(line(1, "A", 2, shipped=2),)))
    issue = one(seen(world, shop), "left_anyway")
    assert issue.id == "left_anyway:shop:1:shipped although cancelled"
    assert issue.cause == "cancelled here, and 2 of A left at the channel"
    world.later(31 * DAY)
    assert of(seen(world, shop), "left_anyway") == []
    world.later(-31 * DAY)
    with corrupting(world.store) as tx:  # until returns are booked
        tx.run("UPDATE lines SET returned = shipped")
    assert of(seen(world, shop), "left_anyway") == []
    with corrupting(world.store) as tx:
        tx.run("UPDATE lines SET returned = 0")


def test_what_left_although_cancelled_is_told_apart_from_the_other_lines_whatever_it_is_called(world: World) -> None:
    for sku in ("A\\_", "A\\B"):
        world.item(sku, east=9)
    shop = world.channel()
    first = order("1", line(1, "A\\_", 2), line(2, "A\\B", 2))
    world.take(shop, first)
    called_off = Decision(order_id=world.order("1").id, reason=CancelReason.BUYER, units={"A\\B": 2})
    cancel(world.store, called_off, world.now)
    world.take(shop, edited(first, lines=(line(1, "A\\_", 2, shipped=2), line(2, "A\\B", 2, shipped=2))))
    assert one(seen(world, shop), "left_anyway").cause == "cancelled here, and 2 of A\\B left at the channel"
    with corrupting(world.store) as tx:  # until returns are booked
        tx.run("UPDATE lines SET returned = shipped WHERE number = '2'")
    assert of(seen(world, shop), "left_anyway") == []
    with corrupting(world.store) as tx:
        tx.run("UPDATE lines SET returned = 0")


def test_a_line_that_is_no_item_of_ours_has_nothing_to_be_counted(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 12, shipped=12), line(2, "STRANGE", shipped=1)))
    assert one(seen(world, shop), "shipped_unstocked").subject == "#1"
    count(world.store, "A", "east", 4, world.later())
    assert of(seen(world, shop), "shipped_unstocked") == []


def test_units_that_left_without_stock_and_an_address_that_changed_too_late(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 12, shipped=12)))
    assert one(seen(world, shop), "shipped_unstocked").cause.startswith("3 units left that are not on hand here")
    world.receive("A", "east", 5)
    second = order("2", line(1, "A"))
    world.take(shop, second)
    world.release(shop)
    world.take(shop, edited(second, ship_to=OAKLAND))
    assert one(seen(world, shop), "address_changed").subject == "#2"
    world.ship("2")
    assert of(seen(world, shop), "address_changed") == []


def test_an_order_the_channel_forgot_and_a_return_of_an_order_that_is_not_here(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A")))
    with world.store.write() as tx:
        tx.run(
            "INSERT INTO audit (at, actor, channel_id, order_id, event) SELECT :now, 'ordersync', channel_id, id,"
            " 'gone at the channel' FROM orders",
            now=world.now,
        )
    assert one(seen(world, shop), "gone").subject == "#1"
    sent = Observation(number="R1", body=msgspec.json.encode(back(of="9")))
    take_returns(world.store, shop, Page(observations=(sent,), cursor="r"), world.now, world.now)
    issue = one(seen(world, shop), "stray_return")
    assert issue.cause == "it is requested, and its order 9 is not here"
    world.take(shop, order("9", line(1, "A")))
    world.ship("1")
    assert seen(world, shop).issues == []


def test_listings_unmapped_doubled_and_mixed(world: World, shop: Channel) -> None:
    world.offer(shop, "A", "A", "B")
    world.offer(shop, "C", fulfiller=Fulfiller.CHANNEL)
    world.offer(shop, "C")
    found = seen(world, shop)
    assert {(issue.kind, issue.subject) for issue in found.issues} == {
        ("listing_duplicate", "A"),
        ("listing_unmapped", "B"),
        ("listing_mixed", "C"),
        ("listing_unmapped", "C"),
    }
    for sku in "BC":
        map_listing(world.store, shop.id, sku, "A", world.now)
    connector(shop).offers = [offer for offer in connector(shop).offers if offer.sku == "B"]
    read_listings(world.store, shop, world.clock)
    assert seen(world, shop).issues == []


def test_kinds_have_names_of_their_own() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    assert all(kind.means for kind in KINDS)
