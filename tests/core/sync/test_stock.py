"""The operator's stock: what was received, counted and corrected, and what becomes of promises it cannot keep."""

from __future__ import annotations

from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import UserError
from core.model import MAX_QUANTITY, Hold
from core.store.database import Store
from core.sync.incoming import expect, incoming
from core.sync.kits import define_kit, define_kits
from core.sync.stock import adjust, book, count, receive, set_on_hand
from core.sync.stock_asked import Ask
from core.sync.stock_files import BadFile, import_csv, import_kits
from core.sync.stock_shown import show
from core.sync.take_back import Holder, Work, plan
from core.sync.verify import verify
from tests.core.sync.world import SECOND, START, World, check, line, order


@pytest.fixture
def shop(world: World) -> World:
    world.channel()
    with world.store.write() as tx:
        world.items["A"] = tx.value("INSERT INTO items (sku) VALUES ('A') RETURNING id")
    return world


def _wanted(world: World) -> int:
    return int(world.channel_row().wanted)


# Received, set, adjusted, counted.


def test_what_is_received_is_on_hand_with_its_ledger_row(shop: World) -> None:
    booking = receive(shop.store, "A", "east", 7, shop.now, actor="ann", note="truck 4")
    assert [(moved.was, moved.on_hand, moved.new) for moved in booking.moved] == [(0, 7, True)]
    assert shop.at("A") == {"east": (7, 0)}
    row = shop.row("SELECT kind, on_hand, actor, note, at FROM ledger")
    assert tuple(row) == ("receive", 7, "ann", "truck 4", shop.now)
    assert shop.value("SELECT COUNT(*) FROM touched") == 1
    assert verify(shop.store) == []


def test_receiving_or_setting_an_unknown_sku_makes_the_item(shop: World) -> None:
    receive(shop.store, "NEW", "east", 3, shop.now, title="Something new")
    set_on_hand(shop.store, "OTHER", "west", 0, shop.now)
    assert [(shown.sku, shown.title, shown.on_hand) for shown in show(shop.store, ["NEW", "OTHER"])] == [
        ("NEW", "Something new", 3),
        ("OTHER", "", 0),
    ]


def test_counting_or_adjusting_an_unknown_sku_is_refused_with_the_cure(shop: World) -> None:
    for operation in (count, adjust):
        with pytest.raises(UserError, match="no item NEW; receive it first"):
            operation(shop.store, "NEW", "east", 3, shop.now)
    assert shop.value("SELECT COUNT(*) FROM items") == 1


def test_an_unknown_location_is_refused_and_the_known_ones_named(shop: World) -> None:
    with pytest.raises(UserError, match="no location 'north'; there are: east, west"):
        receive(shop.store, "NEW", "north", 3, shop.now)
    assert shop.value("SELECT COUNT(*) FROM items") == 1


@pytest.mark.parametrize("quantity", [-1, MAX_QUANTITY + 1, 2**63, True])
def test_a_quantity_no_counter_can_hold_is_refused(shop: World, quantity: int) -> None:
    for operation in (receive, set_on_hand, count):
        with pytest.raises(UserError, match="write a whole number from 0 to 2147483647"):
            operation(shop.store, "A", "east", quantity, shop.now)


@pytest.mark.parametrize("sku", ["", " A", "A\n", "A\x00"])
def test_a_text_that_is_no_sku_is_refused(shop: World, sku: str) -> None:
    with pytest.raises(UserError, match="is no SKU"):
        receive(shop.store, sku, "east", 1, shop.now)


def test_more_than_the_counters_hold_is_refused_whole(shop: World) -> None:
    receive(shop.store, "A", "east", MAX_QUANTITY, shop.now)
    with pytest.raises(UserError, match="the most that can be kept is 2147483647"):
        receive(shop.store, "A", "west", 1, shop.now)
    assert shop.at("A") == {"east": (MAX_QUANTITY, 0)}


def test_no_more_is_taken_away_than_is_there(shop: World) -> None:
    receive(shop.store, "A", "east", 2, shop.now)
    with pytest.raises(UserError, match="east has 2 of A, 3 cannot be taken away"):
        adjust(shop.store, "A", "east", -3, shop.now)
    adjust(shop.store, "A", "east", -2, shop.now)
    assert shop.at("A") == {"east": (0, 0)}


def test_setting_and_counting_make_on_hand_what_is_said(shop: World) -> None:
    set_on_hand(shop.store, "A", "east", 9, shop.now)
    count(shop.store, "A", "east", 4, shop.now)
    count(shop.store, "A", "east", 4, shop.now)
    assert shop.at("A") == {"east": (4, 0)}
    assert [row.on_hand for row in shop.rows("SELECT on_hand FROM ledger ORDER BY id")] == [9, -5, 0]


def test_a_reference_is_booked_once(shop: World) -> None:
    assert receive(shop.store, "A", "east", 5, shop.now, reference="PO-1").moved[0].new
    again = receive(shop.store, "A", "east", 5, shop.now, reference="PO-1").moved[0]
    assert (again.new, again.on_hand) == (False, 5)
    receive(shop.store, "A", "west", 5, shop.now, reference="PO-1")
    assert shop.at("A") == {"east": (5, 0), "west": (5, 0)}
    with pytest.raises(UserError, match="was booked with 5 units, not 6"):
        receive(shop.store, "A", "east", 6, shop.now, reference="PO-1")
    count(shop.store, "A", "east", 3, shop.now, reference="round 1")
    receive(shop.store, "A", "east", 1, shop.now)
    count(shop.store, "A", "east", 3, shop.now, reference="round 1")
    assert shop.at("A")["east"] == (4, 0)


def test_one_place_named_twice_in_one_booking_is_refused(shop: World) -> None:
    ask = Ask(kind="receive", sku="A", location="east", units=1)
    with pytest.raises(UserError, match="named twice"):
        book(shop.store, [ask, ask], shop.now)


# Promises that cannot be kept.


def test_a_count_below_what_is_promised_takes_the_newest_promises_back(shop: World) -> None:
    receive(shop.store, "A", "east", 6, shop.now)
    channel = shop.channel()
    shop.take(channel, order("1", line(1, "A", 3)))
    shop.take(channel, order("2", line(1, "A", 3), at=START + SECOND))
    wanted = _wanted(shop)
    booking = count(shop.store, "A", "east", 4, shop.now, actor="ann")
    (lost,) = booking.taken_back
    assert (lost.name, lost.channel, lost.backordered, lost.unbound, lost.recalled) == ("#2", "shop", 2, 2, 0)
    assert shop.counts("1") == {"ordered": 3, "reserved": 3, "allocated": 3}
    assert shop.counts("2") == {"ordered": 3, "reserved": 1, "backordered": 2, "allocated": 1}
    assert shop.at("A") == {"east": (4, 4)}
    told = shop.row("SELECT actor, event, detail FROM audit WHERE order_id = :id", id=shop.order("2").id)
    assert (told.actor, told.event) == ("ann", "promise taken back")
    assert "A at east was counted 4" in told.detail
    assert shop.timeline("1") == []
    assert _wanted(shop) > wanted
    assert verify(shop.store) == []


def test_unreleased_work_gives_way_before_released_work(shop: World) -> None:
    receive(shop.store, "A", "east", 4, shop.now)
    channel = shop.channel()
    shop.take(channel, order("new", line(1, "A", 2), at=START + SECOND))
    shop.release(channel)
    shop.take(channel, order("old", line(1, "A", 2)))
    assert [lost.name for lost in count(shop.store, "A", "east", 3, shop.now).taken_back] == ["#old"]
    lost = count(shop.store, "A", "east", 1, shop.now).taken_back
    assert [(one.name, one.backordered, one.recalled) for one in lost] == [("#new", 1, 1), ("#old", 1, 0)]
    assert verify(shop.store) == []


def test_what_one_location_lacks_and_another_has_keeps_its_promise_and_is_routed_anew(shop: World) -> None:
    receive(shop.store, "A", "east", 2, shop.now)
    receive(shop.store, "A", "west", 2, shop.now)
    channel = shop.channel()
    shop.take(channel, order("1", line(1, "A", 2)))
    assert shop.work("1") == [("east", "planned", 2, 0)]
    (lost,) = count(shop.store, "A", "east", 0, shop.now).taken_back
    assert (lost.backordered, lost.unbound) == (0, 2)
    assert shop.counts("1") == {"ordered": 2, "reserved": 2}
    shop.refill(channel)
    assert shop.work("1") == [("east", "cancelled", 0, 0), ("west", "planned", 2, 0)]
    assert verify(shop.store) == []


def test_a_kit_is_given_up_whole(shop: World) -> None:
    receive(shop.store, "A", "east", 6, shop.now)
    receive(shop.store, "B", "east", 3, shop.now)
    define_kit(shop.store, "K", {"A": 2, "B": 1})
    channel = shop.channel()
    shop.take(channel, order("1", line(1, "K", 3)))
    (lost,) = count(shop.store, "A", "east", 3, shop.now).taken_back
    assert (lost.backordered, lost.unbound) == (2, 2)
    assert (shop.stock("A"), shop.stock("B")) == ((3, 2), (3, 1))
    assert verify(shop.store) == []


def test_an_adjustment_below_what_is_promised_takes_promises_back_too(shop: World) -> None:
    receive(shop.store, "A", "east", 2, shop.now)
    shop.take(shop.channel(), order("1", line(1, "A", 2)))
    assert [lost.backordered for lost in adjust(shop.store, "A", "east", -1, shop.now).taken_back] == [1]
    assert verify(shop.store) == []


def test_held_orders_keep_or_lose_unbound_promises(shop: World) -> None:
    receive(shop.store, "A", "east", 2, shop.now)

    channel = shop.channel()
    shop.take(channel, order("1", line(1, "A", 2), holds=(Hold.PAYMENT,)))
    (lost,) = count(shop.store, "A", "east", 1, shop.now).taken_back
    assert (lost.backordered, lost.unbound) == (1, 0)
    assert verify(shop.store) == []


def test_nothing_is_locked_out_of_order_when_a_page_and_a_count_meet(store: Store) -> None:
    """Pages take orders, then items; so does a count that must take promises back."""
    world = World(store)
    channel = world.channel()
    receive(store, "A", "east", 60, world.now)
    errors: list[BaseException] = []

    def pages() -> None:
        for number in range(20):
            world.take(channel, order(f"{number}", line(1, "A", 3), at=START + number * SECOND))

    def counts() -> None:
        for units in range(60, 20, -2):
            count(store, "A", "east", units, world.now)

    def run(work: object) -> None:
        try:
            work()  # type: ignore[operator]
        except BaseException as error:  # noqa: BLE001 - the test's thread hands it over
            errors.append(error)

    threads = [Thread(target=run, args=(work,)) for work in (pages, counts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert verify(store) == []
    assert world.stock("A") == (22, 22)


def test_a_plan_takes_no_more_than_it_must() -> None:
    holders = [
        Holder(1, 10, {7: 2}, 3, [Work(1, False, 1), Work(2, True, 1)]),
        Holder(2, 11, {7: 1, 8: 1}, 4, [Work(1, True, 4)]),
    ]
    losses = plan(holders, {7: 3}, {(7, 1): 3})
    assert (losses[1].back, dict(losses[1].unbind)) == (2, {1: 1})
    assert (losses[2].back, dict(losses[2].unbind)) == (0, {1: 1})


# Files.


def _file(path: Path, text: str) -> Path:
    file = path / "stock.csv"
    file.write_bytes(text.encode())
    return file


def test_a_file_sets_what_it_names_and_leaves_the_rest(shop: World, tmp_path: Path) -> None:
    receive(shop.store, "A", "west", 5, shop.now)
    text = '\ufeffsku,location,quantity,title\r\nA,east,3,\r\n00123,west,7,"Cup, blue"\r\n\r\n'
    booking = import_csv(shop.store, _file(tmp_path, text), shop.now)
    assert [(moved.sku, moved.on_hand) for moved in booking.moved] == [("A", 3), ("00123", 7)]
    assert shop.at("A") == {"east": (3, 0), "west": (5, 0)}
    assert show(shop.store, ["00123"])[0].title == "Cup, blue"


def test_a_bad_file_is_told_line_by_line_and_nothing_of_it_is_booked(shop: World, tmp_path: Path) -> None:
    define_kits(shop.store, {"K": {"A": 1}})
    text = (
        "sku,location,quantity\nA,east,1\nA,north,1\nA,east,2\nB,west,1E+05\nC,west,-1\nD,west,1.5\n,west,1\nK,east,1\n"
    )
    with pytest.raises(BadFile) as caught:
        import_csv(shop.store, _file(tmp_path, text), shop.now)
    lines = [problem.split(": ")[0] for problem in caught.value.problems]
    assert lines == [f"stock.csv:{number}" for number in range(3, 10)]
    assert all(";" in problem for problem in caught.value.problems)
    assert shop.value("SELECT COUNT(*) FROM ledger") == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sku,location,quantity\n",
        "sku;location;quantity\nA;east;1\n",
        "sku,location\nA,east\n",
        "sku,location,quantity\nA,east\n",
        'sku,location,quantity\n"A,east,1\n',
        "sku,location,quantity,color\nA,east,1,red\n",
    ],
)
def test_a_file_that_is_no_table_of_quantities_is_refused(shop: World, tmp_path: Path, text: str) -> None:
    with pytest.raises(BadFile):
        import_csv(shop.store, _file(tmp_path, text), shop.now)


def test_a_file_that_is_not_there_or_not_utf8_is_refused(shop: World, tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="name a file"):
        import_csv(shop.store, tmp_path / "absent.csv", shop.now)
    (tmp_path / "stock.csv").write_bytes(b"sku,location,quantity\n\xff,east,1\n")
    with pytest.raises(BadFile, match="UTF-8"):
        import_csv(shop.store, tmp_path / "stock.csv", shop.now)


def test_a_file_of_counts_takes_back_what_is_not_there(shop: World, tmp_path: Path) -> None:
    for sku in "AB":
        receive(shop.store, sku, "east", 3, shop.now)
    channel = shop.channel()
    shop.take(channel, order("1", line(1, "A", 3), line(2, "B", 1)))
    text = "sku,location,quantity\nA,east,1\nB,east,5\n"
    booking = import_csv(shop.store, _file(tmp_path, text), shop.now, kind="count", reference="ROUND-1")
    assert [(moved.sku, moved.was, moved.on_hand) for moved in booking.moved] == [("A", 3, 1), ("B", 3, 5)]
    (lost,) = booking.taken_back
    assert lost.backordered == 2
    assert "2 quantities were counted" in shop.value("SELECT detail FROM audit WHERE event = 'promise taken back'")
    check(shop.store)


def test_a_delivery_by_file_is_booked_once_and_counts_towards_what_was_expected(shop: World, tmp_path: Path) -> None:
    for sku, units in (("A", 5), ("B", 2)):
        expect(shop.store, sku, "east", units, "PO-1", shop.now)
    file = _file(tmp_path, "sku,location,quantity,title\nA,east,3,\nB,east,2,A cup\n")
    said: dict[str, Any] = {"kind": "receive", "reference": "NOTE-7", "expected": "PO-1"}
    assert [one.new for one in import_csv(shop.store, file, shop.now, **said).moved] == [True, True]
    assert [one.new for one in import_csv(shop.store, file, shop.now, **said).moved] == [False, False]
    assert [(one.sku, one.left) for one in incoming(shop.store, now=shop.now)] == [("A", 2)]
    assert shop.at("A") == {"east": (3, 0)}
    too_many = _file(tmp_path, "sku,location,quantity\nA,east,2\nB,east,1\n")
    with pytest.raises(UserError, match="PO-1 still brings 0 of B"):
        import_csv(shop.store, too_many, shop.now, **(said | {"reference": "NOTE-8"}))
    assert shop.at("A") == {"east": (3, 0)}


def test_a_file_of_changes_is_booked_whole_or_not_at_all(shop: World, tmp_path: Path) -> None:
    for sku in "AB":
        receive(shop.store, sku, "east", 3, shop.now)
    file = _file(tmp_path, "sku,location,change\nA,east,-1\nB,east,+2\n")
    with pytest.raises(UserError, match="give --reference"):
        import_csv(shop.store, file, shop.now, kind="adjust")
    import_csv(shop.store, file, shop.now, kind="adjust", reference="R1")
    assert (shop.at("A"), shop.at("B")) == ({"east": (2, 0)}, {"east": (5, 0)})
    short = _file(tmp_path, "sku,location,change\nB,east,1\nA,east,-3\n")
    with pytest.raises(UserError, match="east has 2 of A"):
        import_csv(shop.store, short, shop.now, kind="adjust", reference="R2")
    assert shop.at("B") == {"east": (5, 0)}


@pytest.mark.parametrize("kind", ["count", "adjust"])
def test_a_file_that_makes_no_items_names_the_lines_of_those_nobody_knows(
    shop: World, tmp_path: Path, kind: str
) -> None:
    receive(shop.store, "A", "east", 3, shop.now)
    column = "change" if kind == "adjust" else "quantity"
    file = _file(tmp_path, f"sku,location,{column}\nA,east,1\nX,east,1\nA,west,--1\n")
    with pytest.raises(BadFile) as caught:
        import_csv(shop.store, file, shop.now, kind=kind, reference="R1")
    assert [problem.partition("; ")[0] for problem in caught.value.problems] == [
        "stock.csv:3: there is no item X",
        f"stock.csv:4: '--1' is no {column}",
    ]


def test_kits_come_from_a_file(shop: World, tmp_path: Path) -> None:
    receive(shop.store, "B", "east", 3, shop.now)
    receive(shop.store, "A", "east", 3, shop.now)
    file = _file(tmp_path, "kit,component,quantity\nK,A,2\nK,B,1\n")
    assert import_kits(shop.store, file) == 1
    assert import_kits(shop.store, file) == 0
    (kit,) = show(shop.store, ["K"])
    assert (kit.available, kit.components) == (1, {"A": 2, "B": 1})
    with pytest.raises(BadFile) as caught:
        import_kits(shop.store, _file(tmp_path, "kit,component,quantity\nK,A,0\nK,A,1\nK,Z,1\n"))
    assert len(caught.value.problems) == 3


# Kits and waiting orders.


def test_what_cannot_be_a_kit_is_refused_with_the_cure(shop: World) -> None:
    receive(shop.store, "B", "east", 3, shop.now)
    for components, why in (
        ({}, "at least one component"),
        ({"B": 0}, "from 1 to"),
        ({"K": 1}, "component of itself"),
        ({"Z": 1}, "no item Z"),
    ):
        with pytest.raises(UserError, match=why):
            define_kit(shop.store, "K", components)
    with pytest.raises(UserError, match="B has stock of its own"):
        define_kit(shop.store, "B", {"A": 1})
    assert define_kit(shop.store, "K", {"A": 1}, title="A box")
    with pytest.raises(UserError, match="cannot be a kit and a component at once"):
        define_kit(shop.store, "L", {"K": 1})
    with pytest.raises(UserError, match="cannot be a kit and a component at once"):
        define_kit(shop.store, "A", {"B": 1})
    with pytest.raises(UserError, match="is a kit and has no stock of its own"):
        receive(shop.store, "K", "east", 1, shop.now)


def test_waiting_orders_are_due_as_soon_as_their_stock_comes(shop: World) -> None:
    channel = shop.channel()
    shop.take(channel, order("1", line(1, "A", 1), line(2, "UNKNOWN", 1)))
    before = _wanted(shop)
    receive(shop.store, "A", "east", 1, shop.now)
    assert _wanted(shop) == before + 1
    receive(shop.store, "UNKNOWN", "east", 1, shop.now)
    assert _wanted(shop) == before + 2
    receive(shop.store, "nobody waits for it", "east", 1, shop.now)
    assert _wanted(shop) == before + 2
    shop.refill(channel)
    assert [shop.counts("1", of)["reserved"] for of in (1, 2)] == [1, 1]


def test_a_channel_that_lists_the_item_is_due(shop: World) -> None:
    channel = shop.channel()
    shop.offer(channel, "A")
    before = _wanted(shop)
    receive(shop.store, "A", "east", 1, shop.now)
    assert _wanted(shop) == before + 1


def test_stock_is_shown_by_item_and_location(shop: World) -> None:
    receive(shop.store, "A", "east", 5, shop.now)
    receive(shop.store, "A", "west", 2, shop.now)
    shop.take(shop.channel(), order("1", line(1, "A", 3)))
    (shown,) = show(shop.store, ["A"])
    assert (shown.on_hand, shown.reserved, shown.available) == (7, 3, 4)
    assert [(place.location, place.on_hand, place.allocated, place.available) for place in shown.places] == [
        ("east", 5, 3, 2),
        ("west", 2, 0, 2),
    ]
    with pytest.raises(UserError, match="no item Z"):
        show(shop.store, ["A", "Z"])


# Against a model.

_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("receive"), st.sampled_from(["east", "west"]), st.integers(0, 9)),
        st.tuples(st.just("count"), st.sampled_from(["east", "west"]), st.integers(0, 9)),
        st.tuples(st.just("adjust"), st.sampled_from(["east", "west"]), st.integers(-4, 4)),
        st.tuples(st.just("order"), st.sampled_from(["plain", "kit"]), st.integers(1, 5)),
        st.tuples(st.just("release"), st.just(""), st.just(0)),
        st.tuples(st.just("refill"), st.just(""), st.just(0)),
    ),
    max_size=14,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_STEPS)
def test_whatever_is_booked_on_hand_follows_and_every_invariant_holds(store: Store, steps: list[tuple]) -> None:
    world = World(store)
    channel = world.channel()
    run = world.value("SELECT COUNT(*) FROM items")
    sku, kit = f"S{run}", f"K{run}"
    set_on_hand(store, sku, "east", 0, world.now)
    define_kit(store, kit, {sku: 2})
    on_hand = {"east": 0, "west": 0}
    for number, (what, where, units) in enumerate(steps):
        if what == "order":
            ordered = order(f"{sku}-{number}", line(1, sku if where == "plain" else kit, units), at=START + number)
            world.take(channel, ordered)
        elif what == "release":
            world.release(channel)
        elif what == "refill":
            world.refill(channel)
        elif what == "adjust" and on_hand[where] + units < 0:
            with pytest.raises(UserError):
                adjust(store, sku, where, units, world.now)
        else:
            before = world.stock(sku)[1]
            operation = {"receive": receive, "count": count, "adjust": adjust}[what]
            booking = operation(store, sku, where, units, world.now)
            on_hand[where] = units if what == "count" else on_hand[where] + units
            total = sum(on_hand.values())
            reserved = world.stock(sku)[1]
            assert reserved == before if before <= total else total - 1 <= reserved <= total
            assert bool(booking.taken_back) or reserved == before
        assert {place: units for place, (units, _) in world.at(sku).items() if units} == {
            place: units for place, units in on_hand.items() if units
        }
    assert verify(store, file=False) == []
