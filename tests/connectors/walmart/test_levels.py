"""Levels: single SKUs, feeds, what became of them, and reading back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

import msgspec
import pytest
from werkzeug.wrappers import Request, Response

from connectors.simulation import Fault, SimulatedListing
from connectors.walmart import Walmart, feeds, levels
from connectors.walmart.simulator import WalmartSimulator, answers
from core.errors import Unavailable
from core.model import Ack, AckState, ChannelListing, Fulfiller, LevelKey
from tests.connectors.walmart.conftest import FAST, Connect, settings_for
from tests.connectors.walmart.trade import SKUS, level, place, settle, states

pytestmark = pytest.mark.usefixtures("no_pauses")

Handle = Callable[[Request], Response]

APPLIED, REFUSED, RETRY, ACCEPTED = AckState.APPLIED, AckState.REFUSED, AckState.RETRY, AckState.ACCEPTED

MANY = [f"SKU {i:04d}/%+" for i in range(120)]


@pytest.fixture
def stocked(simulator: WalmartSimulator) -> WalmartSimulator:
    """The simulator with a hundred and twenty SKUs more on offer."""
    for sku in MANY:
        simulator.offer(SimulatedListing(sku=sku, title=sku, price=Decimal(3), quantities={"100009": 1}))
    return simulator


@pytest.fixture
def one_node() -> Iterator[WalmartSimulator]:
    """An account that keeps one number a SKU."""
    goods = [SimulatedListing(sku=sku, title=sku, price=Decimal(3), quantities={"": 9}) for sku in (*SKUS, *MANY)]
    with WalmartSimulator(listings=goods, pace=FAST, feed_seconds=3600 * FAST, places=("",)) as started:
        assert isinstance(started, WalmartSimulator)
        yield started


def answering(
    simulator: WalmartSimulator,
    monkeypatch: pytest.MonkeyPatch,
    answer: Callable[[Request, Handle], Response],
) -> None:
    handle: Handle = simulator.handle
    monkeypatch.setattr(simulator, "handle", lambda request: answer(request, handle))


# Few SKUs, one by one.


def test_all_ship_nodes_of_a_sku_go_in_one_call(simulator: WalmartSimulator, connector: Walmart) -> None:
    pushed = [level(SKUS[1], 5, "100009"), level(SKUS[1], 6, "361451")]
    assert set(states(connector.push_levels(pushed)).values()) == {APPLIED}
    assert simulator.calls["updateMultiNodeInventory"] == 1
    assert simulator.levels()[SKUS[1], "100009"] == 5
    assert simulator.levels()[SKUS[1], "361451"] == 6


def test_a_refused_ship_node_inside_a_success_is_refused(simulator: WalmartSimulator, connector: Walmart) -> None:
    acks = list(connector.push_levels([level(SKUS[0], 5), level(SKUS[0], 6, "no-node")]))
    assert states(acks) == {f"{SKUS[0]}@100009": APPLIED, f"{SKUS[0]}@no-node": REFUSED}
    assert acks[1].reason.endswith("correct the channel's locations")


def test_an_account_with_one_node_is_told_one_number(one_node: WalmartSimulator) -> None:
    connector = Walmart("walmart-us", settings_for(one_node))
    assert list(states(connector.push_levels([level(SKUS[1], 4, "")])).values()) == [APPLIED]
    assert one_node.calls["updateInventoryForAnItem"] == 1
    assert one_node.levels()[SKUS[1], ""] == 4
    key = LevelKey(key="k", sku=SKUS[1], handle="", place="")
    assert [held.quantity for held in connector.read_levels([key])] == [4]
    connector.close()


def test_stock_in_walmarts_own_warehouse_is_never_told(simulator: WalmartSimulator, connector: Walmart) -> None:
    simulator.offer(SimulatedListing(sku="WFS", title="w", price=Decimal(1), quantities={"100009": 3}, by_channel=True))
    listing = next(listing for listing in connector.listings() if listing.sku == "WFS")
    assert listing == ChannelListing(
        sku="WFS", title="w", handle=levels.WFS_HANDLE, fulfiller=Fulfiller.CHANNEL, quantities={"": 3}
    )
    calls = sum(simulator.calls.values())
    ack = next(iter(connector.push_levels([level("WFS", 5, handle=listing.handle)])))
    assert ack.state is REFUSED
    assert sum(simulator.calls.values()) == calls


# Many SKUs, as a feed.


def test_many_skus_go_as_one_feed_and_settle_one_by_one(stocked: WalmartSimulator, connector: Walmart) -> None:
    pushed = [level(sku, 7, node) for sku in MANY for node in stocked.places]
    pushed.insert(50, level("NO-SUCH", 7))
    acks = list(connector.push_levels(pushed))
    assert set(states(acks).values()) == {ACCEPTED}
    assert stocked.calls["feedInventory"] == 1
    assert stocked.calls["updateMultiNodeInventory"] == 0
    assert list(connector.settle({ack.key: ack.ticket for ack in acks})) == []
    final = settle(stocked, connector, acks)
    assert final.pop("NO-SUCH@100009").state is REFUSED
    assert {ack.state for ack in final.values()} == {APPLIED}
    assert all(stocked.levels()[sku, node] == 7 for sku in MANY for node in stocked.places)


def test_an_account_with_one_node_sends_the_other_feed(one_node: WalmartSimulator) -> None:
    connector = Walmart("walmart-us", settings_for(one_node))
    acks = list(connector.push_levels([level(sku, 2, "") for sku in MANY]))
    assert {ack.state for ack in settle(one_node, connector, acks).values()} == {APPLIED}
    assert one_node.levels()[MANY[0], ""] == 2
    connector.close()


def test_a_settled_feed_tells_nothing_of_other_skus(stocked: WalmartSimulator, connector: Walmart) -> None:
    acks = list(connector.push_levels([level(sku, 7) for sku in MANY]))
    stocked.settle_feeds()
    asked = {ack.key: ack.ticket for ack in acks[100:103]}
    assert states(connector.settle(asked)) == dict.fromkeys(asked, APPLIED)


def test_a_newer_level_waits_until_the_feed_with_the_older_is_through(
    stocked: WalmartSimulator, connector: Walmart
) -> None:
    list(connector.push_levels([level(sku, 7) for sku in MANY]))
    newer = [level(MANY[0], 9, revision=2)]
    assert set(states(connector.push_levels(newer)).values()) == {RETRY}
    stocked.settle_feeds()
    assert set(states(connector.push_levels(newer)).values()) == {APPLIED}
    assert stocked.levels()[MANY[0], "100009"] == 9


def test_no_more_feeds_are_sent_than_the_hour_allows() -> None:
    # A far end at the vendor's own pace: what it says is left goes before what we believe.
    goods = [SimulatedListing(sku=sku, title=sku, price=Decimal(3), quantities={"100009": 1}) for sku in MANY]
    with WalmartSimulator(listings=goods, feed_seconds=3600) as strict:
        assert isinstance(strict, WalmartSimulator)
        connector = Walmart("walmart-us", settings_for(strict))
        waves = [
            set(states(connector.push_levels([level(sku, wave, revision=wave) for sku in MANY])).values())
            for wave in range(12)
            if strict.settle_feeds() is None
        ]
        assert waves[:10] == [{ACCEPTED}] * 10
        assert waves[10:] == [{RETRY}] * 2
        assert strict.calls["feedInventory"] == 10
        connector.close()


def test_rows_a_feed_is_refused_for_are_left_out_of_it(
    stocked: WalmartSimulator, connector: Walmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    def picky(request: Request, handle: Handle) -> Response:
        if request.path == "/v3/feeds" and MANY[3].encode() in request.get_data():
            return answers.feeds(422, "INVALID_SKU", "no such SKU", "inventory[3].sku").response
        return handle(request)

    answering(stocked, monkeypatch, picky)
    acks = states(connector.push_levels([level(sku, 7) for sku in MANY]))
    assert acks.pop(f"{MANY[3]}@100009") is REFUSED
    assert set(acks.values()) == {ACCEPTED}


def test_a_feed_refused_without_a_row_is_halved_down_to_the_bad_one(
    stocked: WalmartSimulator, connector: Walmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    def picky(request: Request, handle: Handle) -> Response:
        if request.path == "/v3/feeds" and MANY[3].encode() in request.get_data():
            return answers.feeds(400, "INVALID_FILE", "something is wrong").response
        return handle(request)

    answering(stocked, monkeypatch, picky)
    acks = states(connector.push_levels([level(sku, 7) for sku in MANY]))
    assert sorted(acks) == sorted(f"{sku}@100009" for sku in MANY)
    assert acks[f"{MANY[3]}@100009"] is APPLIED
    assert set(acks.values()) == {APPLIED, ACCEPTED}


def test_a_feed_that_fails_as_a_whole_goes_one_by_one_next_time(
    stocked: WalmartSimulator, connector: Walmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    acks = list(connector.push_levels([level(sku, 7) for sku in MANY]))

    def failed(request: Request, handle: Handle) -> Response:
        response = handle(request)
        if request.method == "GET" and request.path.startswith("/v3/feeds/"):
            status = msgspec.json.decode(response.get_data())
            response.set_data(msgspec.json.encode(status | {"feedStatus": "ERROR"}))
        return response

    answering(stocked, monkeypatch, failed)
    final = connector.settle({ack.key: ack.ticket for ack in acks})
    assert set(states(final).values()) == {RETRY}
    again = states(connector.push_levels([level(sku, 7) for sku in MANY]))
    assert sorted(again.values()) == [APPLIED] * levels.FEW + [RETRY] * (len(MANY) - levels.FEW)


@pytest.mark.parametrize(
    ("status", "state"),
    [("SUCCESS", APPLIED), ("DATA_ERROR", REFUSED), ("SYSTEM_ERROR", RETRY), ("TIMEOUT_ERROR", RETRY)],
)
def test_each_item_of_a_processed_feed_has_its_own_state(
    stocked: WalmartSimulator, connector: Walmart, monkeypatch: pytest.MonkeyPatch, status: str, state: AckState
) -> None:
    acks = list(connector.push_levels([level(sku, 7) for sku in MANY]))
    stocked.settle_feeds()

    def changed(request: Request, handle: Handle) -> Response:
        response = handle(request)
        body = response.get_data().replace(b'"ingestionStatus":"SUCCESS"', f'"ingestionStatus":"{status}"'.encode(), 1)
        response.set_data(body)
        return response

    answering(stocked, monkeypatch, changed)
    assert states(connector.settle({acks[0].key: acks[0].ticket})) == {acks[0].key: state}


def test_an_item_still_in_progress_stays_pending(
    stocked: WalmartSimulator, connector: Walmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    acks = list(connector.push_levels([level(sku, 7) for sku in MANY]))
    stocked.settle_feeds()

    def changed(request: Request, handle: Handle) -> Response:
        response = handle(request)
        response.set_data(response.get_data().replace(b'"SUCCESS"', b'"INPROGRESS"'))
        return response

    answering(stocked, monkeypatch, changed)
    assert list(connector.settle({ack.key: ack.ticket for ack in acks})) == []


def test_a_feed_walmart_has_forgotten_is_told_again(connector: Walmart) -> None:
    ticket = msgspec.json.encode(("ABC@AU8BAgA", SKUS[0])).decode()
    assert states(connector.settle({"k": ticket})) == {"k": RETRY}


def test_a_feed_whose_ticket_was_lost_is_ambiguous(stocked: WalmartSimulator, connector: Walmart) -> None:
    list(connector.listings())
    stocked.faults.set({Fault.RESET_AFTER_WRITE: 1.0})
    with pytest.raises(Unavailable) as raised:
        list(connector.push_levels([level(sku, 7) for sku in MANY]))
    assert raised.value.ambiguous
    assert stocked.calls["feedInventory"] == 1


def test_a_bad_ship_node_in_a_feed_sinks_no_other_node_of_its_sku(
    stocked: WalmartSimulator, connector: Walmart
) -> None:
    pushed = [level(sku, 7) for sku in MANY]
    pair = [level(MANY[0], 7), level(MANY[0], 7, "no-node")]
    final = settle(stocked, connector, list(connector.push_levels([*pushed[1:], *pair])))
    assert {final[row.key].state for row in pair} == {RETRY}
    again = states(connector.push_levels([*pushed[1:], *pair]))
    assert (again[pair[0].key], again[pair[1].key]) == (APPLIED, REFUSED)


def test_a_feed_larger_than_walmart_takes_becomes_several(
    stocked: WalmartSimulator, connector: Walmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "LARGEST_FEED", 4000)
    acks = list(connector.push_levels([level(sku, 8) for sku in MANY]))
    assert 2 <= stocked.calls["feedInventory"] <= 5
    assert {ack.state for ack in settle(stocked, connector, acks).values()} == {APPLIED}


# Reading back.


def keys(skus: Sequence[str]) -> list[LevelKey]:
    return [LevelKey(key=sku, sku=sku, handle="", place="100009") for sku in skus]


def test_levels_are_read_as_they_are_after_orders_took_from_them(
    simulator: WalmartSimulator, connector: Walmart
) -> None:
    place(simulator, (SKUS[0], 3))
    held = {level.key: level.quantity for level in connector.read_levels(keys(SKUS))}
    assert held == {SKUS[0]: 497, SKUS[1]: 500, SKUS[2]: 500}


def test_many_levels_are_read_by_walking_the_list(stocked: WalmartSimulator, connector: Walmart) -> None:
    assert len(list(connector.read_levels(keys([*SKUS, *MANY])))) == 123
    assert stocked.calls["getMultiNodeInventoryForAllSkuAndAllShipNodes"] == 3
    assert stocked.calls["getMultiNodeInventoryForSkuAndAllShipnodes"] == 0


def test_few_levels_of_many_are_read_one_by_one(stocked: WalmartSimulator, connector: Walmart) -> None:
    wanted = [MANY[7], MANY[99], "NO-SUCH"]
    assert [level.key for level in connector.read_levels(keys(wanted[:2]))] == wanted[:2]
    assert stocked.calls["getMultiNodeInventoryForSkuAndAllShipnodes"] == 2


def test_a_walk_whose_place_was_lost_begins_anew_and_names_no_sku_twice(
    stocked: WalmartSimulator, connector: Walmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = [False, True]  # the second page's answer never arrives, and asking for it again is refused

    def losing(request: Request, handle: Handle) -> Response:
        response = handle(request)
        if request.path == "/v3/inventories" and lost and lost.pop(0):
            return Response("<html>gateway</html>", 503, mimetype="text/html")
        return response

    answering(stocked, monkeypatch, losing)
    found = [listing.sku for listing in connector.listings()]
    assert sorted(found) == sorted([*SKUS, *MANY])


def test_a_walk_that_breaks_off_for_ever_is_an_outage(
    stocked: WalmartSimulator, connector: Walmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    def losing(request: Request, handle: Handle) -> Response:
        if "nextCursor" in request.args:
            return answers.inventory(404, "CONTENT_NOT_FOUND", "used").response
        return handle(request)

    answering(stocked, monkeypatch, losing)
    with pytest.raises(Unavailable, match="breaks off"):
        list(connector.listings())


def test_a_seller_without_items_has_no_listings(connect: Connect, simulator: WalmartSimulator) -> None:
    simulator._shelves.items.clear()
    assert list(connect().listings()) == []


def test_every_level_gets_one_ack_whatever_is_in_the_batch(stocked: WalmartSimulator, connector: Walmart) -> None:
    pushed = [level(sku, 3, node) for sku in MANY for node in ("100009", "no-node")]
    pushed += [level("W", 3, handle=levels.WFS_HANDLE)]
    acks: list[Ack] = list(connector.push_levels(pushed))
    assert sorted(ack.key for ack in acks) == sorted(row.key for row in pushed)
