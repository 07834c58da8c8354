"""What a warehouse tells of its work: parcels, refusals, and what cannot be read or booked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.sandbox_warehouse import Yard
from core.handover import Accepted, Notice, NoticePage
from core.model import CancelReason
from core.sync.cancel import Decision, cancel
from core.sync.channel import Channel
from core.sync.take_back import NeedOrders
from core.sync.take_notices import take_page
from core.sync.turn import Trouble
from core.sync.void import Void, void
from core.warehouse import Deed
from tests.core.sync.depot import Depot, each
from tests.core.sync.world import World, line, order


@pytest.fixture
def shop(world: World) -> Channel:
    return world.channel(locations={"east": "", "west": ""})


@pytest.fixture
def depot(world: World, shop: Channel) -> Iterator[Depot]:
    world.item("TEE", east=10)
    world.item("MUG", east=10)
    made = Depot(world)
    world.take(shop, order("1", line(1, "TEE", 3), line(2, "MUG")))
    world.release(shop)
    made.ok()
    yield made
    Yard.forget("depot")


def parcels(world: World) -> list[tuple[str, str, int]]:
    return [
        (row.tracking, row.origin, int(row.units))
        for row in world.rows(
            "SELECT s.tracking, s.origin, sum(l.quantity) AS units FROM shipments s"
            " JOIN shipment_lines l ON l.shipment_id = s.id GROUP BY s.id, s.tracking, s.origin ORDER BY s.id"
        )
    ]


def test_parcels_in_part_and_several_at_once_are_booked_and_due_at_the_channel(world: World, depot: Depot) -> None:
    depot.send([{"TEE": 1}])
    assert depot.ok().heard.taken == 1
    assert world.counts("1") == {"ordered": 3, "shipped": 1, "reserved": 2, "allocated": 2}
    depot.send([{"TEE": 1, "MUG": 1}, {"TEE": 1}])
    depot.ok()
    assert [(origin, units) for _, origin, units in parcels(world)] == [("warehouse", n) for n in (1, 2, 1)]
    assert world.counts("1") == {"ordered": 3, "shipped": 3}
    assert world.at("TEE")["east"] == (7, 0)
    assert depot.work() == [("OS-1", "done")]
    assert world.value("SELECT count(*) FROM pushes WHERE kind = 'tracking'") == 3
    row = world.channel_row()
    assert row.wanted > row.done


def test_more_than_was_asked_for_is_refused_whole_with_its_reason(world: World, depot: Depot) -> None:
    depot.send([{"TEE": 1}, {"TEE": 3}])
    done = depot.ok()
    assert (done.heard.taken, done.heard.refused) == (0, 1)
    ((kind, state, reason),) = depot.notices()
    assert (kind, state) == ("left", "refused")
    assert "3 of TEE left, and 3 were asked for, of which 1 left before" in reason
    assert parcels(world) == []
    assert world.counts("1") == {"ordered": 3, "reserved": 3, "allocated": 3}
    assert world.rows("SELECT * FROM handover_lines WHERE shipped > 0") == []


def test_one_bad_event_keeps_its_neighbours_from_nothing(world: World, depot: Depot) -> None:
    depot.send([{"TEE": 9}])
    depot.yard.garble()
    depot.yard.garble(b"\x00 no JSON at all")
    depot.send([{"MUG": 1}])
    heard = depot.ok().heard
    assert (heard.taken, heard.refused, heard.unread) == (1, 1, 2)
    assert world.counts("1", 2) == {"ordered": 1, "shipped": 1}
    assert [state for _, state, _ in depot.notices()] == ["refused", "unread", "unread", "taken"]
    assert "no event" in depot.notices()[1][2]


def test_what_was_told_is_booked_once_however_often_it_comes(world: World, depot: Depot) -> None:
    depot.send([{"TEE": 1}])
    depot.yard.repeat()
    done = depot.ok()
    assert (done.heard.taken, done.heard.repeated) == (1, 1)
    depot.yard.repeat()
    world.store.transact(lambda tx: tx.run("UPDATE warehouses SET cursor = NULL"))
    assert depot.ok().heard.repeated == 3
    assert len(parcels(world)) == 1


def test_the_same_parcel_under_another_id_is_the_same_parcel(world: World, depot: Depot) -> None:
    number = depot.number("TEE")
    depot.yard.send("OS-1", [("1Z9", {number: 2})], at=depot.at())
    depot.yard.send("OS-1", [("1Z9", {number: 2})], at=depot.at())
    assert depot.ok().heard.taken == 2
    assert parcels(world) == [("1Z9", "warehouse", 2)]
    assert "told before" in depot.notices()[1][2]
    depot.yard.send("OS-1", [("1Z9", {number: 1})], at=depot.at())
    assert depot.ok().heard.refused == 1
    assert "booked with other units" in depot.notices()[2][2]


@pytest.mark.parametrize("second", [1, 2])
def test_boxes_that_left_at_once_under_one_number_are_one_parcel(world: World, depot: Depot, second: int) -> None:
    """Carriers give the boxes of one consignment the number of the first."""
    number, other = depot.number("TEE"), depot.number("MUG")
    depot.yard.send("OS-1", [("1Z9", {number: 1}), ("1Z8", {other: 1}), ("1Z9 ", {number: second})], at=depot.at())
    assert depot.ok().heard.taken == 1
    assert parcels(world) == [("1Z9", "warehouse", 1 + second), ("1Z8", "warehouse", 1)]
    depot.yard.repeat()
    depot.ok()
    assert len(parcels(world)) == 2


def test_a_parcel_that_an_operator_booked_first_is_no_second_one(world: World, depot: Depot) -> None:
    number = depot.number("TEE")
    world.ship("1", "east", "1Z9", TEE=2)
    depot.yard.send("OS-1", [("1Z9", {number: 2})], at=depot.at())
    depot.ok()
    assert parcels(world) == [("1Z9", "operator", 2)]
    assert world.counts("1") == {"ordered": 3, "shipped": 2, "reserved": 1, "allocated": 1}
    depot.send([{"TEE": 1, "MUG": 1}])
    depot.ok()
    assert depot.work() == [("OS-1", "done")]


def test_an_id_that_says_something_else_by_now_books_nothing(world: World, depot: Depot) -> None:
    number = depot.number("TEE")
    depot.yard.send("OS-1", [("1Z1", {number: 1})], at=depot.at())
    depot.ok()
    first = depot.yard._events[-1]
    depot.yard._events.append(first.replace(b"1Z1", b"1Z2"))
    assert depot.ok().heard.unread == 1
    assert "something else" in depot.notices()[1][2]
    assert len(parcels(world)) == 1


def test_a_corrected_notice_of_what_could_not_be_booked_is_booked(world: World, depot: Depot) -> None:
    number = depot.number("TEE")
    depot.yard.send("OS-1", [("1Z1", {number: 9})], at=depot.at())
    assert depot.ok().heard.refused == 1
    first = depot.yard._events[-1]
    depot.yard._events.append(first.replace(b":9}", b":2}"))
    assert depot.ok().heard.taken == 1
    assert [state for _, state, _ in depot.notices()] == ["settled", "taken"]
    assert parcels(world) == [("1Z1", "warehouse", 2)]


def test_what_left_another_location_than_was_asked_moves_the_binding(world: World, shop: Channel) -> None:
    world.item("PEN", east=2, west=5)
    both = Depot(world, "both", locations={"east": "E", "west": "W"})
    world.take(shop, order("2", line(1, "PEN", 2)))
    world.release(shop)
    both.ok()
    both.send(place="W")
    assert both.ok().heard.taken == 1
    assert world.at("PEN") == {"east": (2, 0), "west": (3, 0)}
    assert both.ok().recalled == 0
    assert both.work() == [("OS-1", "done")]
    Yard.forget("both")


@pytest.mark.parametrize("by_units", [True, False])
def test_of_what_left_another_location_in_part_the_rest_is_still_wanted(
    world: World, shop: Channel, by_units: bool
) -> None:
    world.item("PEN", east=3, west=5)
    both = Depot(world, "both", locations={"east": "E", "west": "W"})
    if not by_units:
        both.connector.abilities = both.connector.abilities - {Deed.RECALL_UNITS}
    world.take(shop, order("2", line(1, "PEN", 3)))
    world.release(shop)
    both.ok()
    both.send([{"PEN": 1}], place="W")
    both.ok()
    assert both.ok().recalled == 0
    assert both.work() == [("OS-1", "handed")]
    both.send()
    both.ok()
    assert world.counts("2") == {"ordered": 3, "shipped": 3}
    assert (both.work(), both.recalls()) == ([("OS-1", "done")], [])
    Yard.forget("both")


def test_a_place_nobody_serves_is_refused_with_its_cure(world: World, depot: Depot) -> None:
    depot.send(place="MOON")
    depot.ok()
    assert "'MOON'" in depot.notices()[0][2] or "MOON is none" in depot.notices()[0][2]
    assert "warehouses/depot.toml" in depot.notices()[0][2]


def test_a_parcel_of_a_held_order_has_left_all_the_same(world: World, depot: Depot) -> None:
    world.hold("1")
    depot.send()
    assert depot.ok().heard.taken == 1
    assert world.counts("1") == {"ordered": 3, "shipped": 3}


def test_work_nobody_knows_is_refused_with_its_cure(world: World, depot: Depot) -> None:
    depot.yard.send("XX-9", [("1Z1", {"1": 1})], at=depot.at())
    depot.ok()
    assert "no work is called 'XX-9' here" in depot.notices()[0][2]


def test_a_line_the_work_does_not_have_is_refused(world: World, depot: Depot) -> None:
    depot.yard.send("OS-1", [("1Z1", {"99": 1})], at=depot.at())
    depot.ok()
    assert "OS-1 has no line '99'; it has: " in depot.notices()[0][2]


def test_what_is_taken_up_is_told_once(world: World, depot: Depot) -> None:
    depot.yard.accept("OS-1")
    depot.yard.accept("OS-1")
    depot.ok()
    assert depot.work() == [("OS-1", "accepted")]
    assert world.timeline("1").count("work accepted") == 1


def test_declined_work_goes_back_to_its_order_whole(world: World, depot: Depot) -> None:
    depot.yard.decline("OS-1", reason="no such shelf")
    depot.ok()
    assert depot.work() == [("OS-1", "refused")]
    assert world.counts("1") == {"ordered": 3, "reserved": 3}
    assert world.at("TEE")["east"] == (10, 0)
    assert "no such shelf" in world.value("SELECT detail FROM audit WHERE event = 'work declined'")
    assert depot.ok().handed_over == 0


def test_a_short_pick_gives_back_what_is_short_and_the_rest_is_sent(world: World, depot: Depot) -> None:
    depot.yard.decline("OS-1", {depot.number("TEE"): 1}, reason="shelf empty", short=True)
    depot.ok()
    assert world.counts("1") == {"ordered": 3, "reserved": 3, "allocated": 2}
    depot.send()
    assert depot.ok().recalled == 0
    assert world.counts("1") == {"ordered": 3, "shipped": 2, "reserved": 1}
    assert depot.work()[0] == ("OS-1", "done")
    (picked,) = world.rows("SELECT detail FROM audit WHERE event = 'picked short'")
    assert picked.detail.startswith("OS-1: shelf empty"), "said once"


def test_more_than_is_open_cannot_be_declined(world: World, depot: Depot) -> None:
    depot.send([{"TEE": 2}])
    depot.yard.decline("OS-1", {depot.number("TEE"): 2})
    done = depot.ok()
    assert (done.heard.taken, done.heard.refused) == (1, 1)
    assert world.counts("1") == {"ordered": 3, "shipped": 2, "reserved": 1, "allocated": 1}


def test_what_was_cancelled_and_declined_at_once_is_off_once(world: World, depot: Depot) -> None:
    decision = Decision(order_id=world.order("1").id, reason=CancelReason.BUYER, units={"TEE": 3})
    cancel(world.store, decision, world.now)
    depot.yard.decline("OS-1")
    assert depot.ok().heard.taken == 1
    assert world.counts("1") == {"ordered": 3, "cancelled": 3}
    assert world.counts("1", 2) == {"ordered": 1, "reserved": 1}
    assert depot.ok().recalled == 0


def test_a_page_is_taken_in_whole_or_not_at_all(world: World, depot: Depot, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.sync import take_notices

    depot.send([{"TEE": 1}])
    depot.yard.accept("OS-1")

    def breaks(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(take_notices, "take_accepted", breaks)
    assert isinstance(depot.turn(), Trouble)
    assert (depot.notices(), parcels(world)) == ([], [])
    assert world.row("SELECT cursor FROM warehouses").cursor is None
    monkeypatch.undo()
    assert depot.ok().heard.taken == 2


def test_what_was_set_aside_is_read_and_booked_again_when_somebody_asks(world: World, depot: Depot) -> None:
    world.take(world.channel(locations={"east": ""}), order("2", line(1, "MUG", 2)))
    depot.send([{"MUG": 1}], place="MOON")
    depot.yard.garble()
    depot.ok()
    depot.settings = depot.settings.model_copy(update={"locations": {"east": "E", "west": "MOON"}})
    depot.connector.settings = depot.settings
    world.receive("MUG", "west", 1)
    first, second = (row.id for row in world.rows("SELECT id FROM notices ORDER BY id"))
    became = depot.again(first, second, 99)
    assert became[first] == "taken"
    assert "no event" in became[second]
    assert became[99] == "it is not set aside"
    assert world.counts("1", 2) == {"ordered": 1, "shipped": 1}
    assert world.at("MUG")["west"] == (0, 0)


def test_what_still_cannot_be_read_stays_one_notice_under_its_number(world: World, depot: Depot) -> None:
    depot.yard.garble()
    depot.ok()
    before = each(world.rows("SELECT id, event, state, reason FROM notices"))
    (id,) = (row.id for row in world.rows("SELECT id FROM notices"))
    for _ in range(2):
        assert "no event" in depot.again(id)[id]
        depot.ok()
    assert list(each(world.rows("SELECT id, event, state, reason FROM notices"))) == list(before)


def test_what_can_be_read_by_now_leaves_no_other_notice_behind(
    world: World, depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    depot.yard.garble()
    depot.ok()
    (id,) = (row.id for row in world.rows("SELECT id FROM notices"))
    event = Accepted(id="its own", at=depot.at(), work=depot.key())
    monkeypatch.setattr(depot.connector, "normalize", lambda body: event)
    assert depot.again(id) == {id: "taken"}
    depot.ok()
    assert [tuple(row) for row in world.rows("SELECT id, event, state FROM notices")] == [(id, "its own", "taken")]


def test_a_notice_says_in_which_file_it_stood_also_after_another_try(world: World, depot: Depot) -> None:
    house = depot.take_up()
    page = NoticePage(notices=(Notice(id="a", body=b"no", source="stock.csv, line 2"),), cursor="1")
    bare = take_page(world.store, house, page, world.now).reasons["a"]
    (row,) = world.rows("SELECT id, reason FROM notices")
    assert (row.reason, bare.startswith("stock")) == (f"stock.csv, line 2: {bare}", False)
    again = NoticePage(notices=(Notice(id="a", body=b"no", source="stock-2.csv, line 7"),), cursor="2")
    assert take_page(world.store, house, again, world.now).reasons == {"a": bare}
    assert depot.again(row.id) == {row.id: bare}
    assert world.row("SELECT reason FROM notices").reason == row.reason


def test_a_line_may_be_named_by_its_sku_where_only_one_has_it(world: World, shop: Channel, depot: Depot) -> None:
    depot.yard.send("OS-1", [("1Z1", {"TEE": 1})], at=depot.at())
    assert depot.ok().heard.taken == 1
    assert world.counts("1") == {"ordered": 3, "shipped": 1, "reserved": 2, "allocated": 2}
    world.take(shop, order("2", line(1, "MUG"), line(2, "MUG")))
    world.release(shop)
    depot.ok()
    depot.yard.send("OS-2", [("1Z2", {"MUG": 1})], at=depot.at())
    depot.ok()
    assert "several lines of MUG, name one" in depot.notices()[-1][2]


def test_orders_that_keep_changing_are_an_outage_and_nobodys_to_mend(
    world: World, depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise NeedOrders(set())

    depot.send([{"TEE": 1}])
    with monkeypatch.context() as patch:
        patch.setattr("core.sync.take_notices.with_orders", never)
        trouble = depot.turn()
    assert isinstance(trouble, Trouble)
    assert not trouble.parked
    assert depot.ok().heard.taken == 1


def test_a_void_parcel_that_is_told_to_have_left_is_for_a_person_to_see(world: World, depot: Depot) -> None:
    depot.send([{"MUG": 1}])
    depot.ok()
    ((tracking, _, _),) = parcels(world)
    void(world.store, Void(order_id=world.order("1").id, tracking=tracking, why="bought twice"), world.now)
    (work,) = depot.yard.works().values()
    (number,) = (number for number, sku in work.skus.items() if sku == "MUG")
    depot.yard.send(work.key, [(tracking, {number: 1})], at=depot.at(0))
    done = depot.ok()
    assert (done.heard.taken, done.heard.refused) == (0, 1)
    assert "is void here" in depot.notices()[-1][2]
    assert world.counts("1", 2)["ordered"] == 1
