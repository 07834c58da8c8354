"""Quantities told to Amazon: one by one, by feed, and what became of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal

import msgspec
import pytest
from werkzeug.wrappers import Request, Response

from connectors.amazon import Amazon, feeds
from connectors.amazon.feeds import Report, outcome
from connectors.amazon.listings import Handle
from connectors.amazon.simulator import AmazonSimulator
from connectors.simulation import Fault, SimulatedListing
from core.errors import Unavailable
from core.model import Ack, AckState, Fulfiller, Level, LevelKey
from tests.connectors.amazon.conftest import Connect, hurried, listings, order

MANY = 60


@pytest.fixture
def simulator() -> Iterator[AmazonSimulator]:
    offered = [
        *listings(MANY),
        SimulatedListing(sku="FBA", title="At Amazon", price=Decimal(5), quantities={}, by_channel=True),
        SimulatedListing(sku="a,b/c d%", title="Odd", price=Decimal(5), quantities={"": 4}),
    ]
    with hurried(listings=offered) as running:
        assert isinstance(running, AmazonSimulator)
        yield running


def levels(amazon: Amazon, quantity: int = 7, count: int = MANY) -> list[Level]:
    handles = {listing.sku: listing.handle for listing in amazon.listings()}
    return [level(f"SKU-{number}", handles[f"SKU-{number}"], quantity) for number in range(count)]


def level(sku: str, handle: str, quantity: int = 7) -> Level:
    return Level(key=f"key of {sku}", sku=sku, handle=handle, place="", quantity=quantity, revision=1)


def pending(acks: list[Ack]) -> dict[str, str]:
    return {ack.key: ack.ticket for ack in acks if ack.state is AckState.ACCEPTED}


def held(simulator: AmazonSimulator) -> dict[str, int]:
    return {sku: quantity for (sku, _), quantity in simulator.levels().items()}


def test_the_listings_tell_who_ships_and_what_is_held(amazon: Amazon) -> None:
    found = {listing.sku: listing for listing in amazon.listings()}
    assert len(found) == MANY + 2
    assert found["SKU-3"].quantities == {"": 500}
    assert found["SKU-3"].fulfiller is Fulfiller.MERCHANT
    assert found["FBA"].fulfiller is Fulfiller.CHANNEL
    assert found["FBA"].quantities == {}
    assert found["SKU-3"].title == "Thing 3"


def test_more_listings_than_one_search_reaches_are_all_listed(connect: Connect) -> None:
    with hurried(listings=listings(2345)) as simulator:
        assert isinstance(simulator, AmazonSimulator)
        found = Counter(listing.sku for listing in connect(simulator).listings())
    assert found == Counter(f"SKU-{number}" for number in range(2345))


def test_more_listings_of_one_instant_than_can_be_listed_are_told(connect: Connect) -> None:
    with hurried(listings=listings(1001)) as simulator:
        assert isinstance(simulator, AmazonSimulator)
        for listing in simulator.shop.listings.values():
            listing.created = 0
        with pytest.raises(Unavailable, match="map these SKUs by hand"):
            list(connect(simulator).listings())


def test_a_few_levels_go_one_by_one_and_are_settled_by_reading(simulator: AmazonSimulator, amazon: Amazon) -> None:
    acks = list(amazon.push_levels(levels(amazon, 7, 20)))
    assert {ack.state for ack in acks} == {AckState.ACCEPTED}
    assert {ack.state for ack in amazon.settle(pending(acks))} == {AckState.APPLIED}
    assert simulator.calls["patchListingsItem"] == 20
    assert simulator.calls["createFeed"] == 0
    assert Counter(held(simulator).values()) == {7: 20, 500: 40, 4: 1}


def test_many_levels_go_in_one_feed_and_are_settled_by_its_report(simulator: AmazonSimulator, amazon: Amazon) -> None:
    acks = list(amazon.push_levels(levels(amazon)))
    assert {ack.state for ack in acks} == {AckState.ACCEPTED}
    assert {ack.key for ack in amazon.settle(pending(acks)) if ack.state is AckState.APPLIED} == {a.key for a in acks}
    assert simulator.calls["createFeed"] == 1
    assert simulator.calls["patchListingsItem"] == 0
    assert all(held(simulator)[f"SKU-{number}"] == 7 for number in range(MANY))


def test_a_push_keeps_the_listings_handling_time(simulator: AmazonSimulator, amazon: Amazon) -> None:
    pushed = levels(amazon)
    list(amazon.push_levels(pushed[:1]))
    list(amazon.push_levels(pushed[1:]))
    simulator.settle_feeds()
    assert {listing.handling for listing in simulator.shop.listings.values()} == {2}


def test_an_offer_amazon_fulfils_is_never_written(simulator: AmazonSimulator, amazon: Amazon) -> None:
    handles = {listing.sku: listing.handle for listing in amazon.listings()}
    (ack,) = amazon.push_levels([level("FBA", handles["FBA"])])
    assert ack.state is AckState.REFUSED
    assert ack.reason.endswith("take its level off this channel")
    several = [*levels(amazon), level("FBA", handles["FBA"])]
    assert Counter(ack.state for ack in amazon.push_levels(several)) == {AckState.ACCEPTED: MANY, AckState.REFUSED: 1}
    simulator.settle_feeds()
    assert simulator.shop.flipped == []


@pytest.mark.parametrize("count", [3, MANY])
def test_an_offer_that_amazon_came_to_fulfil_is_not_flipped_back(
    simulator: AmazonSimulator, amazon: Amazon, count: int
) -> None:
    pushed = levels(amazon, count=count)
    simulator.shop.listings["SKU-1"].by_channel = True  # since the listings were read
    acks = {ack.key: ack for ack in amazon.push_levels(pushed)}
    theirs = acks.pop("key of SKU-1")
    assert (theirs.state, len(acks)) == (AckState.REFUSED, count - 1)
    assert theirs.reason == "Amazon fulfils SKU-1 itself (AMAZON_NA); take its level off this channel"
    assert {ack.state for ack in acks.values()} == {AckState.ACCEPTED}
    simulator.settle_feeds()
    assert simulator.shop.flipped == []


def test_an_offer_that_came_back_waits_for_its_listing_to_be_read_anew(
    simulator: AmazonSimulator, amazon: Amazon
) -> None:
    handle = {listing.sku: listing.handle for listing in amazon.listings()}["FBA"]
    simulator.shop.listings["FBA"].by_channel = False
    (ack,) = amazon.push_levels([level("FBA", handle)])
    assert ack.state is AckState.REFUSED


def test_offers_that_are_all_amazons_by_now_make_no_feed(simulator: AmazonSimulator, amazon: Amazon) -> None:
    pushed = levels(amazon)
    for listing in simulator.shop.listings.values():
        listing.by_channel = True
    assert Counter(ack.state for ack in amazon.push_levels(pushed)) == {AckState.REFUSED: MANY}
    assert simulator.calls["createFeed"] == 0


@pytest.mark.parametrize("settled", [True, False])
def test_of_a_feed_given_up_the_skus_go_one_by_one(
    simulator: AmazonSimulator, amazon: Amazon, monkeypatch: pytest.MonkeyPatch, settled: bool
) -> None:
    pushed = levels(amazon, count=MANY - 1)
    simulator.feeds.poison = {"SKU-9"}
    acks = list(amazon.push_levels(pushed))
    if settled:
        assert {ack.state for ack in amazon.settle(pending(acks))} == {AckState.RETRY}
    monkeypatch.setattr(amazon._levels, "_next_feed", 0.0)
    again = list(amazon.push_levels(levels(amazon)))
    assert {ack.state for ack in again} == {AckState.ACCEPTED}
    assert (simulator.calls["createFeed"], simulator.calls["patchListingsItem"]) == (1, MANY)
    assert {ack.state for ack in amazon.settle(pending(again))} == {AckState.APPLIED}
    simulator.feeds.poison = set()
    assert {ack.state for ack in amazon.push_levels(levels(amazon, 8))} == {AckState.ACCEPTED}
    assert simulator.calls["createFeed"] == 2  # none is a suspect any more


def test_suspects_go_beside_the_next_feed(
    simulator: AmazonSimulator, amazon: Amazon, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed = levels(amazon)
    simulator.feeds.poison = {"SKU-9"}
    list(amazon.push_levels(pushed[:25]))
    monkeypatch.setattr(amazon._levels, "_next_feed", 0.0)
    acks = list(amazon.push_levels(pushed))
    assert {ack.key for ack in acks} == {each.key for each in pushed}
    assert (simulator.calls["createFeed"], simulator.calls["patchListingsItem"]) == (2, 25)
    assert {ack.state for ack in amazon.settle(pending(acks))} == {AckState.APPLIED}


def test_a_code_of_amazons_own_fulfilment_is_in_no_request() -> None:
    body, _ = feeds.document("S", [("SKU", "SHIRT", 3)])
    assert b"AMAZON" not in body
    assert feeds.patch(3)[0]["value"] == [{"fulfillment_channel_code": "DEFAULT", "quantity": 3}]


@pytest.mark.parametrize("handle", ["", "{}", "SHIRT", '{"product_type": 7}'])
def test_a_listing_never_read_is_refused(amazon: Amazon, handle: str) -> None:
    (ack,) = amazon.push_levels([level("SKU-0", handle)])
    assert ack.state is AckState.REFUSED
    assert ack.reason.endswith("list the channel's listings anew")


def test_a_level_of_a_place_is_refused(amazon: Amazon) -> None:
    (good,) = levels(amazon, count=1)
    (ack,) = amazon.push_levels([msgspec.structs.replace(good, place="EAST")])
    assert ack.state is AckState.REFUSED


@pytest.mark.parametrize("count", [2, MANY])
def test_one_bad_row_never_sinks_the_others(simulator: AmazonSimulator, amazon: Amazon, count: int) -> None:
    pushed = levels(amazon, count=count - 1)
    pushed.insert(1, level("GONE", str(Handle(product_type="SHIRT"))))
    final = {ack.key: ack for ack in amazon.push_levels(pushed)}
    final |= {ack.key: ack for ack in amazon.settle(pending(list(final.values())))}
    bad = final.pop("key of GONE")
    assert bad.state is AckState.REFUSED
    assert "SKU" in bad.reason
    assert bad.reason.endswith("then push its level again")
    assert {ack.state for ack in final.values()} == {AckState.APPLIED}


def test_a_product_type_that_is_not_the_listings_is_refused(amazon: Amazon) -> None:
    (ack,) = amazon.push_levels([level("SKU-0", str(Handle(product_type="SUBMARINE")))])
    assert ack.state is AckState.REFUSED
    assert "SUBMARINE" in ack.reason


def test_an_odd_sku_is_pushed_and_read(simulator: AmazonSimulator, amazon: Amazon) -> None:
    handles = {listing.sku: listing.handle for listing in amazon.listings()}
    odd = level("a,b/c d%", handles["a,b/c d%"])
    acks = list(amazon.push_levels([odd]))
    assert [ack.state for ack in amazon.settle(pending(acks))] == [AckState.APPLIED]
    (read,) = amazon.read_levels([LevelKey(key="k", sku=odd.sku, handle="", place="")])
    assert read.quantity == 7


def test_an_accepted_quantity_is_not_done_before_it_shows(connect: Connect) -> None:
    with hurried(landing_seconds=60.0) as simulator:
        assert isinstance(simulator, AmazonSimulator)
        amazon = connect(simulator)
        acks = list(amazon.push_levels(levels(amazon, count=1)))
        assert list(amazon.settle(pending(acks))) == []
        simulator.settle_feeds()
        assert [ack.state for ack in amazon.settle(pending(acks))] == [AckState.APPLIED]


def test_a_quantity_that_does_not_show_in_time_is_pushed_again(simulator: AmazonSimulator, connect: Connect) -> None:
    amazon = connect(simulator, landing_seconds=0.0)
    acks = list(amazon.push_levels(levels(amazon, count=1)))
    simulator.place(order(("SKU-0", 1)))
    assert [ack.state for ack in amazon.settle(pending(acks))] == [AckState.RETRY]


def test_an_offer_that_amazon_took_over_meanwhile_is_refused(simulator: AmazonSimulator, amazon: Amazon) -> None:
    acks = list(amazon.push_levels(levels(amazon, count=1)))
    simulator.shop.listings["SKU-0"].by_channel = True
    (ack,) = amazon.settle(pending(acks))
    assert ack.state is AckState.REFUSED
    assert "Amazon fulfils this offer now" in ack.reason


def test_what_neither_a_feed_nor_the_budget_takes_is_pushed_later(
    simulator: AmazonSimulator, amazon: Amazon, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed = levels(amazon)
    list(amazon.settle(pending(list(amazon.push_levels(pushed)))))
    monkeypatch.setattr(amazon._levels, "_next_feed", float("inf"))
    monkeypatch.setattr("connectors.amazon.levels.PATIENCE", 0.008)  # 40 patches at a thousand times the pace
    states = Counter(ack.state for ack in amazon.push_levels(pushed))
    assert states == {AckState.ACCEPTED: 40, AckState.RETRY: 20}
    assert simulator.calls["createFeed"] == 1


def test_a_sku_in_an_unfinished_feed_waits_for_it(connect: Connect) -> None:
    with hurried(listings=listings(MANY), feed_seconds=60.0) as simulator:
        assert isinstance(simulator, AmazonSimulator)
        amazon = connect(simulator)
        acks = list(amazon.push_levels(levels(amazon, 7, MANY - 1)))
        assert list(amazon.settle(pending(acks))) == []  # nothing is known of it yet
        later = levels(amazon, 3)
        states = {ack.key: ack.state for ack in amazon.push_levels(later)}
        assert states.pop(f"key of SKU-{MANY - 1}") is AckState.ACCEPTED
        assert set(states.values()) == {AckState.RETRY}
        simulator.settle_feeds()
        assert len(list(amazon.settle(pending(acks)))) == MANY - 1
        assert {ack.state for ack in amazon.push_levels(later)} == {AckState.ACCEPTED}
        simulator.settle_feeds()
        assert set(held(simulator).values()) == {3}


def test_after_a_restart_every_sku_waits_for_feeds_nobody_knows(connect: Connect) -> None:
    with hurried(listings=listings(MANY), feed_seconds=60.0) as simulator:
        assert isinstance(simulator, AmazonSimulator)
        first = connect(simulator)
        list(first.push_levels(levels(first, 7)))
        second = connect(simulator)
        newer = levels(second, 3, 1)
        assert [ack.state for ack in second.push_levels(newer)] == [AckState.RETRY]
        simulator.settle_feeds()
        assert [ack.state for ack in second.push_levels(newer)] == [AckState.ACCEPTED]
        simulator.settle_feeds()
        assert held(simulator)["SKU-0"] == 3


@pytest.mark.usefixtures("no_pauses")
def test_after_a_feed_whose_answer_was_lost_every_sku_waits_for_it(connect: Connect) -> None:
    with hurried(listings=listings(MANY), feed_seconds=60.0) as simulator:
        assert isinstance(simulator, AmazonSimulator)
        amazon = connect(simulator)
        pushed = levels(amazon)
        list(amazon.push_levels(pushed[:1]))
        handle: Callable[[Request], Response] = simulator.handle

        def lossy(request: Request) -> Response:
            response = handle(request)
            if request.path.endswith("/feeds") and request.method == "POST":
                simulator.faults.set({Fault.RESET_AFTER_WRITE: 1.0})
            return response

        simulator.handle = lossy  # type: ignore[method-assign]
        with pytest.raises(Unavailable) as caught:
            list(amazon.push_levels(pushed))
        assert caught.value.ambiguous
        simulator.faults.heal()
        assert {ack.state for ack in amazon.push_levels(pushed[:3])} == {AckState.RETRY}
        simulator.settle_feeds()
        assert {ack.state for ack in amazon.push_levels(pushed[:3])} == {AckState.ACCEPTED}


def test_a_feed_that_was_cancelled_or_is_not_known_is_pushed_again(simulator: AmazonSimulator, amazon: Amazon) -> None:
    acks = list(amazon.push_levels(levels(amazon)))
    simulator.feeds.feeds[acks[0].ticket.partition("#")[0]].state = "CANCELLED"
    assert {ack.state for ack in amazon.settle(pending(acks))} == {AckState.RETRY}
    assert [ack.state for ack in amazon.settle({"k": "404#1"})] == [AckState.RETRY]


def test_a_report_whose_address_expired_is_an_outage_not_a_revoked_right(
    simulator: AmazonSimulator, amazon: Amazon, monkeypatch: pytest.MonkeyPatch
) -> None:
    acks = list(amazon.push_levels(levels(amazon)))
    monkeypatch.setattr("connectors.amazon.simulator.store.LINK_LIFE", -1.0)
    with pytest.raises(Unavailable, match="expired"):
        list(amazon.settle(pending(acks)))


def test_a_report_cut_short_is_an_outage(simulator: AmazonSimulator, amazon: Amazon) -> None:
    acks = list(amazon.push_levels(levels(amazon)))
    feed = next(iter(simulator.feeds.feeds.values()))
    simulator.settle_feeds()
    document = simulator.feeds.documents[feed.result]
    assert document.body is not None
    document.body = document.body[: len(document.body) // 2]
    with pytest.raises(Unavailable, match="cut short"):
        list(amazon.settle(pending(acks)))


def report(issues: list[tuple[int | None, str]], accepted: int, invalid: int) -> Report:
    return msgspec.convert(
        {
            "issues": [
                {"severity": severity, "message": "wrong", "code": "1"} | ({"messageId": number} if number else {})
                for number, severity in issues
            ],
            "summary": {
                "messagesProcessed": accepted + invalid,
                "messagesAccepted": accepted,
                "messagesInvalid": invalid,
            },
        },
        Report,
    )


@pytest.mark.parametrize(
    ("issues", "accepted", "invalid", "expected"),
    [
        ([], 2, 0, "applied applied"),
        ([(1, "WARNING")], 2, 0, "applied applied"),
        ([(2, "ERROR"), (2, "ERROR")], 1, 1, "applied refused"),
        ([(2, "ERROR"), (3, "ERROR")], 5, 2, "applied refused"),
        ([(2, "ERROR")], 0, 2, "retry refused"),
        ([], 1, 1, "retry retry"),
        ([(None, "ERROR")], 0, 0, "retry retry"),
        ([(None, "ERROR")], 0, 2, "retry retry"),
    ],
)
def test_a_message_is_applied_only_where_the_reports_sums_agree(
    issues: list[tuple[int | None, str]], accepted: int, invalid: int, expected: str
) -> None:
    acks = outcome(report(issues, accepted, invalid), {"a": 1, "b": 2})
    assert " ".join(ack.state for ack in acks) == expected


def test_a_feed_holds_no_more_than_the_vendor_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(f"SKU-{number:08d}", "LUGGAGE", number) for number in range(25_010)]
    body, count = feeds.document("SELLER", rows)
    assert count == 25_000
    assert len(body) < 10 * 1024 * 1024
    monkeypatch.setattr(feeds, "MOST_BYTES", 1000)
    body, count = feeds.document("SELLER", rows)
    assert len(body) <= 1000
    assert len(msgspec.json.decode(body)["messages"]) == count
    assert [message["messageId"] for message in msgspec.json.decode(body)["messages"]] == list(range(1, count + 1))


def test_levels_fall_at_amazon_when_an_order_is_placed_and_are_read(simulator: AmazonSimulator, amazon: Amazon) -> None:
    simulator.place(order(("SKU-0", 2)))
    keys = [LevelKey(key=f"k{sku}", sku=sku, handle="", place="") for sku in ("SKU-0", "NONE", "FBA", "SKU-1")]
    assert [(each.key, each.quantity) for each in amazon.read_levels(keys)] == [("kSKU-0", 498), ("kSKU-1", 500)]


def test_forty_one_levels_are_read_in_three_calls(simulator: AmazonSimulator, amazon: Amazon) -> None:
    keys = [LevelKey(key=f"{number}", sku=f"SKU-{number}", handle="", place="") for number in range(41)]
    assert len(list(amazon.read_levels(keys))) == 41
    assert simulator.calls["searchListingsItems"] == 3


def test_pushing_nothing_asks_nothing(simulator: AmazonSimulator, amazon: Amazon) -> None:
    assert list(amazon.push_levels([])) == []
    assert list(amazon.settle({})) == []
    assert not simulator.calls


def test_a_ticket_that_cannot_be_read_is_pushed_again(amazon: Amazon) -> None:
    assert [ack.state for ack in amazon.settle({"k": "nonsense"})] == [AckState.RETRY]
