from __future__ import annotations

import msgspec
import pytest

from core.errors import Fenced
from core.model import Fulfiller, Hold, Observation, Page
from core.store.database import Tx
from core.sync import take_in as taking
from core.sync.take_in import Counts, take_in
from tests.core.sync.fake import observation
from tests.core.sync.world import START, World, edited, line, order, page


def test_a_new_order_is_stored_reserved_and_allocated_at_the_preferred_location(world: World) -> None:
    world.item("A", east=5, west=5)
    shop = world.channel()
    counts = world.take(shop, order("1", line(1, "A", 2)))
    assert counts == Counts(received=1, stored=1)
    assert world.counts("1") == {"ordered": 2, "reserved": 2, "allocated": 2}
    assert world.stock("A") == (10, 2)
    assert world.at("A") == {"east": (5, 2), "west": (5, 0)}
    assert world.work("1") == [("east", "planned", 2, 0)]
    assert world.rows("SELECT item_id FROM touched") == [(world.items["A"],)]


def test_a_repeated_page_changes_nothing_and_is_counted_as_repeated(world: World) -> None:
    world.item("A", east=5)
    shop = world.channel()
    one = order("1", line(1, "A", 2))
    world.take(shop, one)
    assert world.take(shop, one) == Counts(received=1, repeated=1)
    assert world.stock("A") == (5, 2)
    assert world.value("SELECT count(*) FROM documents") == 1
    row = world.channel_row()
    assert (row.received, row.stored, row.repeated, row.quarantined) == (2, 1, 1, 0)


def test_an_older_version_never_replaces_a_newer(world: World) -> None:
    world.item("A", east=5)
    shop = world.channel()
    one = order("1", line(1, "A", 2), version=5)
    world.take(shop, one)
    assert world.take(shop, edited(one, version=4, lines=(line(1, "A", 4),))).repeated == 1
    assert world.counts("1")["ordered"] == 2
    assert world.order("1").version == 5


def test_of_two_looks_at_one_version_the_later_wins(world: World) -> None:
    world.item("A", east=5)
    shop = world.channel()
    one = order("1", line(1, "A", 2))
    other = edited(one, version=1, lines=(line(1, "A", 3),))
    world.take(shop, one)
    assert world.take(shop, other).stored == 1
    assert world.counts("1")["reserved"] == 3
    before = take_in(world.store, shop, page(one), START, world.now)
    assert before.repeated == 1
    assert world.counts("1")["reserved"] == 3


def test_an_order_twice_in_one_page_is_stored_as_its_newest(world: World) -> None:
    world.item("A", east=5)
    shop = world.channel()
    one = order("1", line(1, "A", 2))
    counts = world.take(shop, edited(one, lines=(line(1, "A", 3),)), one)
    assert counts == Counts(received=2, stored=1, repeated=1)
    assert world.counts("1")["reserved"] == 3
    assert world.order("1").version == 2


def test_the_same_number_in_two_accounts_is_two_orders(world: World) -> None:
    world.item("A", east=5)
    one = order("1", line(1, "A", 2))
    world.take(world.channel("shop"), one)
    world.take(world.channel("other"), one)
    assert world.stock("A") == (5, 4)
    assert world.value("SELECT count(*) FROM orders") == 2


def test_a_page_may_bring_a_new_order_and_a_line_added_to_a_known_one(world: World) -> None:
    world.item("A", east=9)
    shop = world.channel()
    one = order("1", line(1, "A"))
    world.take(shop, one)
    world.take(shop, order("2", line(1, "A")), edited(one, lines=(line(1, "A"), line(2, "A", 2))))
    assert world.counts("1", 2) == {"ordered": 2, "reserved": 2, "allocated": 2}
    assert world.counts("2") == {"ordered": 1, "reserved": 1, "allocated": 1}
    assert world.stock("A") == (9, 4)


def test_the_cursor_is_kept_with_its_page(world: World) -> None:
    shop = world.channel()
    world.take(shop, order("1"), cursor="c1")
    assert world.channel_row().cursor == "c1"
    world.take(shop, order("2"), cursor="elsewhere", move=False)
    assert world.channel_row().cursor == "c1"


def test_a_transaction_that_fails_keeps_neither_page_nor_cursor(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.item("A", east=5)
    shop = world.channel()
    world.take(shop, order("1"), cursor="c1")

    def fails(*args: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(taking, "_resolve", fails)
    with pytest.raises(OSError, match="disk"):
        world.take(shop, order("2", line(1, "A")), cursor="c2")
    assert world.channel_row().cursor == "c1"
    assert world.value("SELECT count(*) FROM orders") == 1
    assert world.stock("A") == (5, 0)


def test_a_worker_whose_channel_was_taken_up_by_another_keeps_nothing(world: World) -> None:
    world.item("A", east=5)
    stale = world.channel()
    world.channel()
    with pytest.raises(Fenced):
        world.take(stale, order("1", line(1, "A")), cursor="c1")
    assert world.channel_row().cursor is None
    assert world.rows("SELECT * FROM orders") == []
    assert world.stock("A") == (5, 0)


def test_what_stock_does_not_cover_is_backordered(world: World) -> None:
    world.item("A", east=2, west=1)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 5)))
    assert world.counts("1") == {"ordered": 5, "reserved": 3, "backordered": 2, "allocated": 3}
    assert world.stock("A") == (3, 3)
    assert sorted(world.work("1")) == [("east", "planned", 2, 0), ("west", "planned", 1, 0)]


def test_two_lines_of_one_item_are_summed_against_its_stock(world: World) -> None:
    world.item("A", east=3)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 2), line(2, "A", 2)))
    assert world.counts("1", 1) == {"ordered": 2, "reserved": 2, "allocated": 2}
    assert world.counts("1", 2) == {"ordered": 2, "reserved": 1, "backordered": 1, "allocated": 1}


def test_whoever_ordered_first_is_served_first_whatever_the_page_says(world: World) -> None:
    world.item("A", east=1)
    shop = world.channel()
    world.take(shop, order("late", line(1, "A"), at=START + 9), order("early", line(1, "A"), at=START))
    assert world.counts("early") == {"ordered": 1, "reserved": 1, "allocated": 1}
    assert world.counts("late") == {"ordered": 1, "backordered": 1}


def test_a_kit_takes_its_components_and_only_whole_kits(world: World) -> None:
    world.item("CUP", east=5)
    world.item("SPOON", east=9)
    world.kit("SET", {"CUP": 2, "SPOON": 1})
    shop = world.channel()
    world.take(shop, order("1", line(1, "SET", 3), line(2, "CUP", 2)))
    assert world.counts("1", 1) == {"ordered": 3, "reserved": 2, "backordered": 1, "allocated": 2}
    assert world.counts("1", 2) == {"ordered": 2, "reserved": 1, "backordered": 1, "allocated": 1}
    assert world.stock("CUP") == (5, 5)
    assert world.stock("SPOON") == (9, 2)


def test_a_line_nobody_can_place_is_held_and_its_neighbours_keep_their_stock(world: World) -> None:
    world.item("A", east=5)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A"), line(2, "MYSTERY", 3), line(3, "")))
    assert world.counts("1", 1) == {"ordered": 1, "reserved": 1, "allocated": 1}
    assert world.counts("1", 2) == {"ordered": 3, "held": 3}
    assert world.counts("1", 3) == {"ordered": 1, "held": 1}


def test_a_channel_that_maps_by_hand_does_not_guess_by_sku(world: World) -> None:
    world.item("A", east=5)
    shop = world.channel(match="mapped")
    world.take(shop, order("1", line(1, "A")))
    assert world.counts("1") == {"ordered": 1, "held": 1}


@pytest.mark.parametrize("hold", [Hold.PENDING, Hold.FRAUD, Hold.UNKNOWN_STATUS])
def test_a_held_order_reserves_without_a_location(world: World, hold: Hold) -> None:
    world.item("A", east=5)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 2), holds=(hold,), ship_to=None))
    assert world.counts("1") == {"ordered": 2, "reserved": 2}
    assert world.work("1") == []
    assert world.holds("1") == {hold.value}


def test_what_the_channel_ships_itself_and_test_orders_never_touch_stock(world: World) -> None:
    world.item("A", east=5)
    shop = world.channel()
    world.take(
        shop,
        order("fba", line(1, "A", 2), fulfiller=Fulfiller.CHANNEL),
        order("gone", line(1, "A", 2, shipped=2), fulfiller=Fulfiller.CHANNEL),
        order("test", line(1, "A", 2), test=True, holds=(Hold.TEST,)),
    )
    assert world.stock("A") == (5, 0)
    assert world.counts("fba") == {"ordered": 2, "held": 2}
    assert world.counts("gone") == {"ordered": 2, "shipped": 2}
    assert world.counts("test") == {"ordered": 2, "held": 2}
    world.later()
    assert world.refill(shop) == 0
    assert world.stock("A") == (5, 0)


def test_an_order_shipped_before_we_went_live_does_not_move_stock(world: World) -> None:
    world.item("A", east=5)
    shop = world.channel()
    old = START - 1
    world.take(shop, order("1", line(1, "A", 3, shipped=2), at=old))
    assert world.counts("1") == {"ordered": 3, "shipped": 2, "reserved": 1, "allocated": 1}
    assert world.stock("A") == (5, 1)


def test_an_order_placed_since_and_first_seen_shipped_takes_its_units(world: World) -> None:
    world.item("A", east=5)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 3, shipped=2)))
    assert world.counts("1") == {"ordered": 3, "shipped": 2, "reserved": 1, "allocated": 1}
    assert world.stock("A") == (3, 1)
    assert world.value("SELECT origin FROM shipments") == "channel"
    assert world.row("SELECT kind, on_hand FROM ledger WHERE kind <> 'adjust'") == ("ship_outside", -2)


def test_an_order_first_seen_cancelled_reserves_nothing(world: World) -> None:
    world.item("A", east=5)
    world.take(world.channel(), order("1", line(1, "A", 3, cancelled=3)))
    assert world.counts("1") == {"ordered": 3, "cancelled": 3}
    assert world.stock("A") == (5, 0)


def test_an_order_of_five_hundred_lines_is_taken_in_whole(world: World) -> None:
    for number in range(50):
        world.item(f"S{number}", east=6, west=6)
    shop = world.channel()
    world.take(shop, order("1", *(line(number, f"S{number % 50}") for number in range(500))))
    row = world.row("SELECT count(*) AS n, sum(reserved) AS reserved, sum(allocated) AS allocated FROM lines")
    assert tuple(row) == (500, 500, 500)
    assert len(world.work("1")) == 2


def test_a_document_that_cannot_be_read_is_set_aside_and_its_page_goes_on(world: World) -> None:
    world.item("A", east=5)
    shop = world.channel()
    bad = Observation(number="2", body=b'{"number": 2')
    good = observation(order("1", line(1, "A")))
    counts = take_in(world.store, shop, Page(observations=(bad, good, bad), cursor="c"), world.now, world.now)
    assert counts == Counts(received=3, stored=1, repeated=1, quarantined=1)
    row = world.row("SELECT * FROM quarantine")
    assert (row.number, bytes(row.body), row.state) == ("2", bad.body, "open")
    assert row.reason
    assert world.channel_row().cursor == "c"
    assert world.counts("1")["reserved"] == 1
    again = take_in(world.store, shop, Page(observations=(bad,), cursor="c"), world.now, world.now)
    assert again == Counts(received=1, repeated=1)


def test_a_quarantined_document_is_done_with_once_its_order_reads_well(world: World) -> None:
    shop = world.channel()
    take_in(world.store, shop, Page(observations=(Observation(number="1", body=b"?"),), cursor="c"), START, START)
    world.take(shop, order("2"))
    assert world.value("SELECT state FROM quarantine") == "open"
    world.take(shop, order("1"))
    assert world.value("SELECT state FROM quarantine") == "resolved"


def test_a_document_mended_further_down_its_own_page_needs_nobody(world: World) -> None:
    shop = world.channel()
    bad, good = Observation(number="1", body=b"?"), observation(order("1"))
    take_in(world.store, shop, Page(observations=(bad, good), cursor="c"), START, START)
    assert world.value("SELECT state FROM quarantine") == "resolved"
    worse = Observation(number="1", body=b"??")
    take_in(world.store, shop, Page(observations=(good, worse), cursor="c"), START + 1, START + 1)
    assert world.value("SELECT count(*) FROM quarantine WHERE state = 'open'") == 1


@pytest.mark.parametrize("quantity", ["-1", "1.5", "2147483648", "9223372036854775808", "null", '"2"'])
def test_a_quantity_no_line_can_hold_is_set_aside(small_world: World, quantity: str) -> None:
    small_world.item("A", east=5)
    shop = small_world.channel()
    body = observation(order("1", line(1, "A", 77))).body.replace(b"77", quantity.encode())
    counts = take_in(
        small_world.store, shop, Page(observations=(Observation(number="1", body=body),), cursor="c"), 1, 1
    )
    assert counts == Counts(received=1, quarantined=1)
    assert small_world.rows("SELECT * FROM orders") == []
    assert small_world.stock("A") == (5, 0)


def test_a_line_of_nothing_is_kept_and_wants_nothing(world: World) -> None:
    world.item("A", east=5)
    world.take(world.channel(), order("1", line(1, "A", 0)))
    assert world.counts("1") == {}
    assert world.work("1") == []


def test_a_fraction_that_slips_through_a_connector_is_set_aside(small_world: World) -> None:
    shop = small_world.channel()
    shop.connector.normalize = lambda body: order("1", line(1, "A", 1.5))  # type: ignore[method-assign, arg-type]
    assert small_world.take(shop, order("1")).quarantined == 1


@pytest.mark.parametrize("field", ["total", "shipping", "adjustment"])
@pytest.mark.parametrize("amount", ["NaN", "Infinity", "1e20", "-1e20"])
def test_an_amount_the_store_cannot_keep_is_set_aside(small_world: World, field: str, amount: str) -> None:
    shop = small_world.channel()
    document = msgspec.json.decode(observation(order("1")).body)
    body = msgspec.json.encode({**document, field: amount})
    counts = take_in(
        small_world.store, shop, Page(observations=(Observation(number="1", body=body),), cursor="c"), 1, 1
    )
    assert counts.quarantined == 1


def test_amounts_that_only_together_exceed_the_store_are_set_aside(small_world: World) -> None:
    shop = small_world.channel()
    dear = msgspec.json.encode({**msgspec.json.decode(observation(order("1", line(1, "A", 2**31 - 1))).body)})
    body = dear.replace(b'"unit_price":"0"', b'"unit_price":"9000000000"')
    assert body != dear
    counts = take_in(
        small_world.store, shop, Page(observations=(Observation(number="1", body=body),), cursor="c"), 1, 1
    )
    assert counts.quarantined == 1


def test_money_that_does_not_add_up_is_kept_and_flagged(world: World) -> None:
    world.item("A", east=5)
    document = msgspec.json.decode(observation(order("1", line(1, "A"))).body)
    body = msgspec.json.encode({**document, "total": "10.00", "shipping": "2.50"})
    take_in(world.store, world.channel(), Page(observations=(Observation(number="1", body=body),), cursor="c"), 1, 1)
    row = world.order("1")
    assert (row.total, row.shipping, row.money_off) == (10_000_000, 2_500_000, -7_500_000)
    assert world.counts("1")["reserved"] == 1


HOSTILE = {
    "nul": (r"A\u0000b", "A\ufffdb"),
    "half a pair": (r"A\ud800b", "A\ufffdb"),
    "the other half": (r"A\uDFFFb", "A\ufffdb"),
    "emoji": ("A\N{PILE OF POO}b", "A\N{PILE OF POO}b"),
    "escaped emoji": (r"A\ud83d\udca9b", "A\N{PILE OF POO}b"),
    "right to left": ("A\u202eb", "A\u202eb"),
}


@pytest.mark.parametrize(("sent", "kept"), HOSTILE.values(), ids=list(HOSTILE))
def test_hostile_names_are_kept_alike_on_both_databases(world: World, sent: str, kept: str) -> None:
    world.item("A", east=5)
    shop = world.channel()
    text = observation(order("1", line(1, "A"), service="slow")).body.decode()
    text = text.replace("One A", sent).replace('"Ada"', f'"{sent}"').replace("slow", sent).replace("#1", sent)
    counts = take_in(
        world.store, shop, Page(observations=(Observation(number="1", body=text.encode()),), cursor="c"), 1, 1
    )
    assert counts.stored == 1
    assert world.line("1").title == kept
    assert (world.order("1").service, world.order("1").name) == (kept, kept)
    assert world.value("SELECT name FROM buyers") == kept
    assert world.order("1").fulfiller == "merchant"
    assert bytes(world.value("SELECT body FROM documents")) == text.encode()


def test_a_hostile_line_number_or_reason_cannot_stop_its_page(world: World) -> None:
    shop = world.channel()
    text = observation(order("1", line("L", "A"))).body.decode().replace('"L"', r'"L\u0000"')
    bad = Observation(number="2\0", body=b'{"number": "\\ud800"}')
    take_in(world.store, shop, Page(observations=(Observation(number="1", body=text.encode()), bad), cursor="c"), 1, 1)
    assert world.counts("1", "L\ufffd") == {"ordered": 1, "held": 1}
    assert world.value("SELECT number FROM quarantine") == "2\ufffd"


def test_two_lines_of_one_number_are_set_aside(small_world: World) -> None:
    assert small_world.take(small_world.channel(), order("1", line(1, "A"), line(1, "B"))).quarantined == 1


def test_the_fence_is_the_first_thing_a_page_does(small_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a stopped worker that wakes could lock rows ahead of the one that took over. Looking takes no lock."""
    shop = small_world.channel()
    said: list[str] = []
    execute = Tx._execute

    def told(tx: Tx, sql: str, params: dict[str, object]) -> object:
        said.append(sql)
        return execute(tx, sql, params)

    monkeypatch.setattr(Tx, "_execute", told)
    small_world.take(shop, order("1"))
    locking = [sql for sql in said if not sql.startswith("SELECT") or "/*lock*/" in sql]
    assert "FROM channels" in locking[0]
