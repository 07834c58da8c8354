"""Reconciliation: every difference has its cause, what can be mended is, and the evidence stays."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from core.connector import Ability
from core.errors import Unavailable
from core.model import Ack, AckState, ChannelListing, Observation, Page, Present, instant
from core.store.database import Tx
from core.sync.channel import Channel
from core.sync.evidence import Cause, Difference, Reconciliation, last
from core.sync.gone import note_known
from core.sync.reconcile import HOUR, is_due, reconcile
from core.sync.round import run_round
from core.sync.take_in import take_in
from tests.core.sync.fake import SIMPLE, Fake, body
from tests.core.sync.world import START, World, connector, line, order, page

ABLE = SIMPLE | {Ability.READ_LEVELS, Ability.ROLL_CALL}


@pytest.fixture
def shop(world: World) -> Channel:
    """A channel that has been worked on for a day, and holds seven A as it was told."""
    world.item("A", east=7)
    shop = world.channel(fake=Fake(abilities=ABLE, offers=[ChannelListing(sku="A")], pulls=[[page()]]))
    run(world, shop)
    assert connector(shop).quantities == {("A", ""): 7}
    world.later(24 * 3600)
    return shop


def run(world: World, shop: Channel) -> None:
    run_round(world.store, shop, {shop.name: shop.settings}, world.clock)
    with world.store.write() as tx:  # as a turn books it
        tx.run("UPDATE channels SET last_success = :now WHERE id = :id", now=world.now, id=shop.id)


def found(world: World, shop: Channel, **more: Any) -> Reconciliation:
    return reconcile(world.store, shop, world.clock, world.now, **more)


def causes(found: Reconciliation) -> dict[str, Cause]:
    return {one.subject: one.cause for one in found.differences}


def placed(world: World, shop: Channel, number: str, hours_ago: float = 3, *, stored: bool = True) -> Any:
    """An order the channel has; taken in, or not."""
    at = world.now - int(hours_ago * HOUR)
    made = order(number, line(1, "A", 1), at=at)
    connector(shop).roll.append(Present(number=number, placed_at=instant(at)))
    connector(shop).orders[number] = body(made)
    if stored:
        world.take(shop, made)
        connector(shop).quantities["A", ""] -= 1
        run(world, shop)
    return made


def test_where_everything_agrees_there_is_nothing_to_tell(world: World, shop: Channel) -> None:
    placed(world, shop, "1")
    one = found(world, shop)
    assert (one.orders_there, one.orders_here, one.levels, one.differences) == (1, 1, 1, [])
    assert one == last(world.store, shop.id)


def test_an_order_no_pull_brought_is_unexplained_and_taken_in(world: World, shop: Channel) -> None:
    placed(world, shop, "1", stored=False)
    with capture_logs() as logs:
        one = found(world, shop)
    assert causes(one) == {"1": Cause.UNEXPLAINED}
    assert "taken in now" in one.differences[0].told
    assert world.counts("1") == {"ordered": 1, "reserved": 1, "allocated": 1}
    assert [entry["unexplained"] for entry in logs if entry["log_level"] == "error"] == [1]
    assert found(world, shop).unexplained == 0


def test_an_order_that_cannot_be_fetched_is_told_all_the_same(world: World, shop: Channel) -> None:
    placed(world, shop, "1", stored=False)
    del connector(shop).orders["1"]
    one = found(world, shop)
    assert causes(one) == {"1": Cause.UNEXPLAINED}
    assert "cannot be fetched" in one.differences[0].told


def test_an_order_newer_than_the_last_pull_could_see_is_in_flight(world: World, shop: Channel) -> None:
    run(world, shop)
    placed(world, shop, "1", hours_ago=0.1, stored=False)
    one = found(world, shop)
    assert causes(one) == {"1": Cause.IN_FLIGHT}
    assert "fetch" not in connector(shop).calls


def test_an_order_whose_document_is_set_aside_is_quarantined(world: World, shop: Channel) -> None:
    placed(world, shop, "1", stored=False)
    connector(shop).pulls = [[page()]]
    unread = Page(observations=(Observation(number="1", body=b"?"),), cursor="next")
    take_in(world.store, shop, unread, world.now, world.now)
    one = found(world, shop)
    assert causes(one) == {"1": Cause.QUARANTINED}
    assert one.unexplained == 0


def test_an_order_the_channel_has_forgotten_is_gone_and_kept(world: World, shop: Channel) -> None:
    placed(world, shop, "1")
    connector(shop).roll.clear()
    connector(shop).orders.clear()
    for _ in range(2):
        one = found(world, shop)
        assert causes(one) == {"1": Cause.GONE}
    assert world.counts("1")["reserved"] == 1
    assert world.timeline("1").count("gone at the channel") == 1


def test_an_order_the_list_leaves_out_and_the_channel_shows_is_unexplained(world: World, shop: Channel) -> None:
    placed(world, shop, "1")
    connector(shop).roll.clear()
    assert causes(found(world, shop)) == {"1": Cause.UNEXPLAINED}


def test_an_order_that_came_before_the_channels_list_shows_it_is_in_flight_until_it_should(
    world: World, shop: Channel
) -> None:
    placed(world, shop, "1", hours_ago=0.1)
    connector(shop).roll.clear()
    one = found(world, shop)
    assert causes(one) == {"1": Cause.IN_FLIGHT}
    assert one.unexplained == 0
    world.later(3600)
    run(world, shop)
    assert causes(found(world, shop)) == {"1": Cause.UNEXPLAINED}


def test_orders_before_the_first_pull_are_nobodys_business(world: World, shop: Channel) -> None:
    old = instant(START - 30 * HOUR)
    connector(shop).roll.append(Present(number="old", placed_at=old))
    one = found(world, shop, since=old - timedelta(days=1))
    assert (one.since, one.orders_there, one.differences) == (shop.since, 0, [])


def test_a_level_changed_by_other_hands_is_named_and_told_again(world: World, shop: Channel) -> None:
    connector(shop).quantities["A", ""] = 99
    one = found(world, shop)
    assert one.differences == [
        Difference(
            kind="level",
            subject="A",
            there="99",
            here="7",
            cause=Cause.OUTSIDE_EDIT,
            told="told 7, changed by other hands since; told again",
        )
    ]
    run(world, shop)
    assert connector(shop).quantities["A", ""] == 7
    assert found(world, shop).differences == []


def test_what_the_channel_sold_meanwhile_is_no_edit(world: World, shop: Channel) -> None:
    connector(shop).quantities["A", ""] = 5
    connector(shop).pulls = [[page(order("1", line(1, "A", 2), at=world.now))]]
    one = found(world, shop)
    assert causes(one) == {"A": Cause.IN_FLIGHT}
    assert world.counts("1")["reserved"] == 2


def test_a_lower_level_while_an_order_is_on_its_way_is_in_flight(world: World, shop: Channel) -> None:
    run(world, shop)
    placed(world, shop, "1", hours_ago=0.1, stored=False)
    connector(shop).quantities["A", ""] = 6
    assert causes(found(world, shop)) == {"1": Cause.IN_FLIGHT, "A": Cause.IN_FLIGHT}


def test_a_level_the_channel_has_lost_is_unexplained(world: World, shop: Channel) -> None:
    connector(shop).quantities.clear()
    one = found(world, shop)
    assert causes(one) == {"A": Cause.UNEXPLAINED}
    assert one.differences[0].there == "none"


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (AckState.ACCEPTED, Cause.UNACKNOWLEDGED),
        (AckState.REFUSED, Cause.UNACKNOWLEDGED),
        (AckState.RETRY, Cause.IN_FLIGHT),
    ],
)
def test_a_level_on_its_way_says_how_far_it_has_come(
    world: World, shop: Channel, answer: AckState, cause: Cause
) -> None:
    connector(shop).answer = lambda pushed: Ack(key=pushed.key, state=answer, ticket="t", reason="no; do so")
    world.receive("A", "east", 2)
    run(world, shop)
    assert causes(found(world, shop)) == {"A": cause}


def test_what_buffer_and_cap_keep_back_is_one_line(world: World) -> None:
    world.item("A", east=9)
    world.item("B", east=4)
    offers = [ChannelListing(sku="A"), ChannelListing(sku="B")]
    shop = world.channel(fake=Fake(abilities=ABLE, offers=offers), buffer=2, cap=5)
    run(world, shop)
    (one,) = found(world, shop).differences
    assert (one.cause, one.subject, one.there, one.here) == (Cause.RULES, "2 listings", "7", "13")
    assert "a buffer of 2, a cap of 5" in one.told


def test_what_the_channel_cannot_be_asked_is_not_compared(world: World) -> None:
    world.item("A", east=9)
    shop = world.channel(fake=Fake(offers=[ChannelListing(sku="A")]))
    run(world, shop)
    one = found(world, shop)
    assert (one.orders_there, one.levels) == (None, None)
    assert not {"roll_call", "read_levels"} & set(connector(shop).calls)


def test_a_channel_that_fails_half_way_leaves_no_evidence_and_stays_due(world: World, shop: Channel) -> None:
    def down(keys: object) -> Any:
        raise Unavailable("away")

    connector(shop).read_levels = down  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        found(world, shop)
    assert last(world.store, shop.id) is None
    assert is_due(world.store, shop, world.now)


def test_a_turn_reconciles_once_a_day_and_when_asked(world: World, shop: Channel) -> None:
    def count() -> int:
        return int(world.value("SELECT count(*) FROM reconciliations"))

    assert count() == 0
    run(world, shop)
    assert count() == 1
    run(world, shop)
    assert count() == 1
    world.later(25 * 3600)
    run(world, shop)
    assert count() == 2
    with world.store.write() as tx:
        tx.run("INSERT INTO requests (channel_id, kind, asked_at) VALUES (:id, 'reconcile', :now)",
               id=shop.id, now=world.now)  # fmt: skip
    run(world, shop)
    assert count() == 3
    assert "reconciliation" in world.value("SELECT outcome FROM requests")


def test_no_hours_no_daily_reconciliation(world: World) -> None:
    shop = world.channel(fake=Fake(abilities=ABLE), reconcile_hours=0)
    run(world, shop)
    world.later(48 * 3600)
    assert not is_due(world.store, shop, world.now)


def test_the_rows_of_older_evidence_stay(world: World, shop: Channel) -> None:
    connector(shop).quantities["A", ""] = 99
    first = found(world, shop)
    run(world, shop)
    found(world, shop)
    assert last(world.store, shop.id, first.id) == first
    assert world.value("SELECT count(*) FROM differences") == 1


def test_an_order_that_was_gone_is_told_as_known_again_and_as_gone_anew(world: World, shop: Channel) -> None:
    placed(world, shop, "1")
    told = ["gone at the channel", "known at the channel again"]
    was, roll = connector(shop).orders.pop("1"), connector(shop).roll
    connector(shop).roll = []
    for _ in range(2):
        found(world, shop)
        world.later()
    assert [event for event in world.timeline("1") if event in told] == told[:1]
    connector(shop).orders["1"], connector(shop).roll = was, roll
    for _ in range(2):
        found(world, shop)
        world.later()
    assert [event for event in world.timeline("1") if event in told] == told
    connector(shop).orders, connector(shop).roll = {}, []
    found(world, shop)
    assert [event for event in world.timeline("1") if event in told] == [*told, told[0]]


def test_whether_one_order_was_gone_is_looked_up_by_its_number(
    small_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index of what asks for a person holds whatever left without stock as well, of every order."""
    shop = small_world.channel()
    asked: list[str] = []
    rows = Tx.rows

    def spied(tx: Tx, query: str, **params: Any) -> Any:
        asked.extend(str(row[-1]) for row in rows(tx, f"EXPLAIN QUERY PLAN {query}", **params))
        return rows(tx, query, **params)

    monkeypatch.setattr(Tx, "rows", spied)
    note_known(small_world.store, shop, ["1"], small_world.now)
    assert any("SEARCH o USING" in step and "number=?" in step for step in asked)
    assert not any("ix_audit_asks" in step for step in asked)
