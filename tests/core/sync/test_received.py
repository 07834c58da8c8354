"""What comes back and what becomes of it: never more than left, each unit once, on the shelf only what is for sale."""

from __future__ import annotations

import msgspec
import pytest

from core.connector import Ability
from core.errors import UserError
from core.model import Fulfiller, Observation, Page, Return, ReturnLine, ReturnState, instant
from core.sync.aside import Going, let_go, standing
from core.sync.channel import Channel
from core.sync.late import Keep, keep
from core.sync.received import Came, Disposition, Received, Receiving, receive
from core.sync.returns import PULL_SECONDS, pull_returns
from core.sync.rma import Found, Opened, Opening, close_return, find, open_return
from core.sync.verify import CHECKS, verify
from core.sync.void import Void, void
from tests.core.sync.corrupt import corrupting
from tests.core.sync.fake import SIMPLE, Fake
from tests.core.sync.world import START, World, connector, edited, line, order

RESTOCK, QUARANTINE, DAMAGED, DISPOSE = Disposition


@pytest.fixture
def shop(world: World) -> Channel:
    world.item("A", east=9, west=1)
    world.item("B", east=5)
    return world.channel(fake=Fake(abilities=SIMPLE | {Ability.RETURNS}))


def sold(world: World, shop: Channel, a: int = 3, b: int = 0, ship: bool = True) -> None:
    lines = [line(1, "A", a), *([line(2, "B", b)] if b else [])]
    world.take(shop, order("1", *lines))
    if ship:
        world.ship("1")


def announce(world: World, **units: int) -> Opened:
    wish = Opening(order_id=world.order("1").id, reason="too small", units=units or None)
    return open_return(world.store, wish, world.now)


def come(
    world: World,
    target: str = "1",
    disposition: Disposition = RESTOCK,
    at: str = "",
    reference: str = "",
    **units: int,
) -> Received:
    came = [Came(name=sku, units=count, disposition=disposition) for sku, count in units.items()]
    return receive(world.store, Receiving(target=target, came=came, location=at, reference=reference), world.now)


def told(world: World, shop: Channel, *lines: ReturnLine, number: str = "R1", of: str = "1",
         state: ReturnState = ReturnState.AUTHORISED, version: int = 1) -> None:  # fmt: skip
    """The channel tells of a return."""
    what = lines or (ReturnLine(number="1", order_line="1", sku="A", quantity=2),)
    one = Return(number=number, order=of, version=version, state=state, requested_at=instant(START), lines=what)
    world.later(PULL_SECONDS)
    body = msgspec.json.encode(one)
    connector(shop).sent_back = [[Page(observations=(Observation(number=number, body=body),), cursor="r")]]
    pull_returns(world.store, shop, world.clock)


def aside(world: World) -> dict[tuple[str, str, str], int]:
    return {(one.sku, one.location, one.condition): one.units for one in standing(world.store)}


def test_units_restocked_are_on_hand_where_they_had_left_from(world: World, shop: Channel) -> None:
    sold(world, shop)
    rma = announce(world, A=2)
    done = come(world, rma.name, A=2)
    assert (done.new, done.done, done.locations) == (True, True, ("east",))
    assert world.line("1").returned == 2
    assert world.at("A") == {"east": (8, 0), "west": (1, 0)}
    assert world.row("SELECT kind, on_hand FROM ledger WHERE kind = 'return'") == ("return", 2)
    assert world.timeline("1")[-2:] == ["return opened", "return received"]
    assert world.value("SELECT closed_at FROM rmas") == world.now


def test_units_may_be_put_elsewhere(world: World, shop: Channel) -> None:
    sold(world, shop)
    come(world, at="west", A=1)
    assert world.at("A") == {"east": (6, 0), "west": (2, 0)}


@pytest.mark.parametrize(
    ("disposition", "stands"), [(QUARANTINE, "quarantine"), (DAMAGED, "damaged"), (DISPOSE, "")], ids=str
)
def test_only_what_is_for_sale_is_on_hand(world: World, shop: Channel, disposition: Disposition, stands: str) -> None:
    sold(world, shop)
    come(world, disposition=disposition, A=2)
    assert world.stock("A") == (7, 0)
    assert aside(world) == ({("A", "east", stands): 2} if stands else {})
    assert world.line("1").returned == 2


def test_one_box_may_hold_units_of_every_kind(world: World, shop: Channel) -> None:
    sold(world, shop, a=4, b=1)
    came = [
        Came(name="A", units=1, disposition=RESTOCK),
        Came(name="A", units=1, disposition=DAMAGED),
        Came(name="A", units=2, disposition=DISPOSE),
        Came(name="2", units=1, disposition=QUARANTINE),
    ]
    receive(world.store, Receiving(target="1", came=came), world.now)
    assert (world.stock("A"), world.stock("B")) == ((7, 0), (4, 0))
    assert aside(world) == {("A", "east", "damaged"): 1, ("B", "east", "quarantine"): 1}
    assert (world.line("1", 1).returned, world.line("1", 2).returned) == (4, 1)


def test_several_receipts_end_a_return_when_all_has_come(world: World, shop: Channel) -> None:
    sold(world, shop)
    rma = announce(world)
    assert rma.units == {"1": 3}
    assert not come(world, rma.name, A=1).done
    assert not come(world, rma.name, DAMAGED, A=1).done
    assert come(world, rma.name, A=1).done
    with pytest.raises(UserError, match="3 of order #1 left and 3 came back, so 0 are left"):
        come(world, rma.name, A=1)


def test_what_did_not_leave_is_never_restocked(world: World, shop: Channel) -> None:
    sold(world, shop, ship=False)
    with pytest.raises(UserError, match="0 of order #1 left and 0 came back"):
        come(world, A=1)
    with pytest.raises(UserError, match="nothing of order #1 has left"):
        announce(world)
    world.ship("1", A=1)
    with pytest.raises(UserError, match="2 of A cannot have come back: 1 of order #1 left"):
        come(world, A=2)
    assert world.stock("A") == (9, 2)


def test_dispositions_of_one_box_are_counted_together(world: World, shop: Channel) -> None:
    sold(world, shop)
    came = [Came(name="A", units=2, disposition=RESTOCK), Came(name="1", units=2, disposition=DAMAGED)]
    with pytest.raises(UserError, match="2 of 1 cannot have come back"):
        receive(world.store, Receiving(target="1", came=came), world.now)
    assert world.line("1").returned == 0


def test_the_same_reference_is_booked_once(world: World, shop: Channel) -> None:
    sold(world, shop)
    rma = announce(world)
    assert come(world, rma.name, reference="box 7", A=1).new
    again = come(world, rma.name, reference="box 7", A=1)
    assert (again.new, again.rows) == (False, ())
    assert world.line("1").returned == 1
    assert come(world, rma.name, reference="box 8", A=1).new


@pytest.mark.parametrize("rest", [0, 1])
def test_the_same_reference_is_booked_once_under_the_orders_own_name_too(
    world: World, shop: Channel, rest: int
) -> None:
    """Whoever names the order says the same again after its return was made, or was closed by what came."""
    sold(world, shop, a=4)
    if rest:
        announce(world, A=1)
    first = come(world, reference="box 7", A=1)
    again = come(world, reference="box 7", A=1)
    assert (first.new, again.new, again.name) == (True, False, first.name)
    assert world.line("1").returned == 1
    assert world.value("SELECT count(*) FROM rmas") == 1
    assert come(world, reference="box 8", A=1).new


def test_no_more_is_announced_than_is_out_there(world: World, shop: Channel) -> None:
    sold(world, shop, a=4)
    announce(world, A=1)
    told(world, shop)
    with pytest.raises(UserError, match="4 left, 0 came back and 3 are announced already, so 1 are left"):
        announce(world, A=2)
    last = announce(world)
    assert last.units == {"1": 1}
    with pytest.raises(UserError, match="has several returns; name one of RMA-1, RMA-2, R1"):
        come(world, A=1)
    close_return(world.store, _found(world, "RMA-1"), "never sent", world.now)
    assert announce(world).units == {"1": 1}


def _found(world: World, text: str) -> Found:
    with world.store.read() as tx:
        return find(tx, text)


def test_a_return_is_closed_once_and_what_comes_all_the_same_is_booked(world: World, shop: Channel) -> None:
    sold(world, shop)
    rma = announce(world)
    assert close_return(world.store, _found(world, rma.name), "never sent", world.now)
    assert not close_return(world.store, _found(world, rma.name), "", world.now)
    with pytest.raises(UserError, match="order #1 is no return"):
        close_return(world.store, _found(world, "1"), "", world.now)
    come(world, rma.name, A=1)
    assert world.line("1").returned == 1
    assert world.timeline("1")[-3:] == ["return opened", "return closed", "return received"]


def test_a_channels_return_is_received_under_its_own_number(world: World, shop: Channel) -> None:
    sold(world, shop)
    two = [ReturnLine(number=str(n), order_line="1", sku="A", quantity=1) for n in (1, 2)]
    told(world, shop, *two)
    assert world.stock("A") == (7, 0)
    assert not come(world, "shop:R1", A=1).done
    assert come(world, "R1", DAMAGED, A=1).done
    assert world.line("1").returned == 2
    assert world.value("SELECT count(*) FROM rmas") == 1
    told(world, shop, *two, state=ReturnState.CLOSED, version=2)  # what the channel says of it moves nothing
    assert world.stock("A") == (8, 0)


def test_an_orders_one_open_return_is_meant(world: World, shop: Channel) -> None:
    sold(world, shop)
    told(world, shop)
    assert come(world, A=1).name == "R1"
    told(world, shop, state=ReturnState.CALLED_OFF, version=2)
    assert come(world, A=1).name == "RMA-2"


def test_a_kit_comes_back_in_its_parts_as_it_left(world: World) -> None:
    shop = world.channel()
    world.item("A", east=6)
    world.item("B", east=3)
    kit = world.kit("K", {"A": 2, "B": 1})
    world.take(shop, order("1", line(1, "K", 2)))
    world.ship("1")
    with world.store.write() as tx:  # sold without B from now on
        tx.run("DELETE FROM kits WHERE kit_id = :kit AND component_id = :b", kit=kit, b=world.items["B"])
    come(world, K=1)
    come(world, disposition=QUARANTINE, K=1)
    assert (world.stock("A"), world.stock("B")) == ((4, 0), (2, 0))
    assert aside(world) == {("A", "east", "quarantine"): 2, ("B", "east", "quarantine"): 1}


def test_units_somebody_shipped_at_the_channel_come_back_too(world: World, shop: Channel) -> None:
    first = order("1", line(1, "A", 2), line(2, "unknown", 1))
    world.take(shop, first)
    lines = (line(1, "A", 2, shipped=2), line(2, "unknown", 1, shipped=1))
    world.take(shop, edited(first, lines=lines))
    with pytest.raises(UserError, match="unknown is no item here; map it first"):
        come(world, at="west", unknown=1)
    come(world, disposition=DISPOSE, at="west", unknown=1)
    come(world, at="west", A=2)
    assert world.at("A") == {"east": (7, 0), "west": (3, 0)}


def test_what_the_channel_shipped_itself_may_come_back_here(world: World, shop: Channel) -> None:
    world.take(shop, order("1", line(1, "A", 3), fulfiller=Fulfiller.CHANNEL))
    world.take(shop, order("1", line(1, "A", 3, shipped=1), fulfiller=Fulfiller.CHANNEL, version=2))
    assert world.counts("1") == {"ordered": 3, "shipped": 1, "held": 2}
    come(world, at="west", A=1)
    assert world.at("A") == {"east": (9, 0), "west": (2, 0)}
    with pytest.raises(UserError, match="1 of order #1 left and 1 came back"):
        come(world, at="west", A=1)


def test_a_return_whose_order_is_not_here_is_received_by_its_skus(world: World, shop: Channel) -> None:
    told(world, shop, of="9")
    with pytest.raises(UserError, match="order 9, which is not here: say where"):
        come(world, "R1", A=1)
    assert not come(world, "R1", QUARANTINE, at="west", A=1).done
    with pytest.raises(UserError, match="return R1 announces 2 and 1 came, so 1 are left"):
        come(world, "R1", at="west", A=2)
    with pytest.raises(UserError, match="announces 0"):
        come(world, "R1", at="west", B=1)
    both = [Came(name="A", units=1, disposition=one) for one in (RESTOCK, DAMAGED)]
    with pytest.raises(UserError, match="announces 2 and 2 came"):
        receive(world.store, Receiving(target="R1", came=both, location="west"), world.now)
    assert come(world, "R1", at="west", A=1).done
    assert world.at("A") == {"east": (9, 0), "west": (2, 0)}
    assert aside(world) == {("A", "west", "quarantine"): 1}
    (row,) = world.rows("SELECT event, order_id FROM audit WHERE event = 'return received' LIMIT 1")
    assert tuple(row) == ("return received", None)


def test_an_order_that_comes_after_its_return_counts_what_came(world: World, shop: Channel) -> None:
    told(world, shop, of="1", number="R1")
    come(world, "R1", at="west", A=1)
    sold(world, shop)
    come(world, "R1", DAMAGED, A=1)
    assert world.line("1").returned == 2
    assert world.value("SELECT count(*) FROM receipts WHERE line_id IS NULL") == 0
    assert world.timeline("1")[-1] == "return received"


@pytest.mark.parametrize("boxes", [[2, 1], [3]])
@pytest.mark.parametrize(("first", "second"), [(2, 1), (1, 2)])
def test_an_order_of_several_lines_that_comes_after_its_return_counts_what_came_on_each(
    world: World, shop: Channel, first: int, second: int, boxes: list[int]
) -> None:
    told(
        world,
        shop,
        ReturnLine(number="1", order_line="2", sku="A", quantity=1),
        ReturnLine(number="2", order_line="1", sku="A", quantity=2),
        of="7",
    )
    parted = [[one.units for one in come(world, "R1", at="east", A=units).rows] for units in boxes]
    assert parted == ([[1, 1], [1]] if len(boxes) == 2 else [[1, 2]])
    world.take(shop, order("7", line(1, "A", first), line(2, "A", second)))
    world.ship("7")
    with pytest.raises(UserError, match="3 of order #7 left and 3 came back, so 0 are left"):
        come(world, "7", A=1)


def test_units_aside_are_released_or_disposed_of_once(world: World, shop: Channel) -> None:
    sold(world, shop)
    come(world, disposition=QUARANTINE, A=3)
    out = Going(sku="A", location="east", units=2, condition="quarantine", kind="release")
    assert let_go(world.store, [out], world.now, reference="check 1")
    assert not let_go(world.store, [out], world.now, reference="check 1")
    assert world.stock("A") == (9, 0)
    away = msgspec.structs.replace(out, units=1, kind="dispose")
    assert let_go(world.store, [away], world.now, reference="check 2")
    assert (world.stock("A"), aside(world)) == ((9, 0), {})
    with pytest.raises(UserError, match="1 of A cannot go: 0 stand aside at east"):
        let_go(world.store, [away], world.now, reference="check 3")
    with pytest.raises(UserError, match="no item Z"):
        let_go(world.store, [msgspec.structs.replace(out, sku="Z")], world.now, reference="check 4")


def test_who_waits_for_the_stock_is_served_and_due(world: World, shop: Channel) -> None:
    sold(world, shop, b=5)
    world.take(shop, order("2", line(1, "B", 1)))
    assert world.counts("2") == {"ordered": 1, "backordered": 1}
    before = world.channel_row().wanted
    come(world, disposition=QUARANTINE, B=1)
    world.refill(shop)
    assert world.counts("2") == {"ordered": 1, "backordered": 1}
    out = Going(sku="B", location="east", units=1, condition="quarantine", kind="release")
    let_go(world.store, [out], world.now, reference="seen")
    assert world.channel_row().wanted > before
    world.refill(shop)
    assert world.counts("2") == {"ordered": 1, "reserved": 1, "allocated": 1}


def test_a_parcel_of_which_a_unit_came_back_has_left(world: World, shop: Channel) -> None:
    sold(world, shop)
    come(world, A=1)
    with pytest.raises(UserError, match="1 of A came back as a return"):
        void(world.store, Void(order_id=world.order("1").id, tracking="T1", why="x"), world.now)


def test_what_was_cancelled_too_late_is_settled_by_its_coming_back(world: World, shop: Channel) -> None:
    sold(world, shop)
    world.take(shop, edited(order("1", line(1, "A", 3)), lines=(line(1, "A", 3, cancelled=2),)))
    come(world, A=1)
    with pytest.raises(UserError, match="2 of A: 1 unit of it in order #1, cancelled after leaving, waits"):
        keep(world.store, Keep(order_id=world.order("1").id, why="x", units={"A": 2}), world.now)
    assert world.stock("A") == (8, 0)


@pytest.mark.parametrize(("text", "why"), [("RMA-9", "no return RMA-9"), ("nothing", "no order is called")])
def test_what_is_not_there_is_told(world: World, shop: Channel, text: str, why: str) -> None:
    with pytest.raises(UserError, match=why):
        come(world, text, A=1)
    sold(world, shop)
    with pytest.raises(UserError, match="nothing was named"):
        receive(world.store, Receiving(target="1", came=[]), world.now)


CORRUPTIONS = {
    "a restocked unit is not on hand": (
        "I1",
        "DELETE FROM ledger WHERE kind = 'return' AND cause LIKE 'return:1:%';"
        " UPDATE ledger SET on_hand = on_hand + 1 WHERE id = 1",
    ),
    "a receipt is gone and its unit is on hand": (
        "I1",
        "DELETE FROM receipts WHERE id = 1; UPDATE lines SET returned = 3 WHERE returned > 0",
    ),
    "a unit in quarantine is not there": ("I1", "DELETE FROM aside WHERE kind = 'receive' AND receipt_id = 2"),
    "fewer than none stand aside": ("I1", "UPDATE aside SET units = -5 WHERE kind = 'dispose'"),
    "a released unit is not on hand": (
        "I1",
        "DELETE FROM ledger WHERE cause LIKE 'aside:%'; UPDATE ledger SET on_hand = on_hand + 1 WHERE id = 1",
    ),
    "a disposed unit is on hand": ("I1", "UPDATE receipts SET disposition = 'dispose' WHERE id = 1"),
    "more came back than was received": ("I8", "UPDATE lines SET returned = returned + 1 WHERE returned > 0"),
    "a return of another order": ("I9", "UPDATE rmas SET order_id = (SELECT max(id) FROM orders)"),
}


@pytest.mark.parametrize("what", CORRUPTIONS)
def test_each_corruption_is_named_by_its_invariant_alone(small_world: World, what: str) -> None:
    world = small_world
    world.item("A", east=9)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 6)))
    world.take(shop, order("2", line(1, "A", 1)))
    world.ship("1")
    rma = announce(world, A=5)
    come(world, rma.name, A=1)
    come(world, rma.name, QUARANTINE, A=2)
    come(world, rma.name, DISPOSE, A=1)
    for at, kind in enumerate(("release", "dispose")):
        out = Going(sku="A", location="east", units=1, condition="quarantine", kind=kind)
        let_go(world.store, [out], world.now, reference=str(at))
    name, statements = CORRUPTIONS[what]
    with corrupting(world.store) as tx:
        tx.run("SAVEPOINT here")
        for statement in statements.split(";"):
            tx.run(statement)
        found = {breach.name for check in CHECKS for breach in check(tx)}
        tx.run("ROLLBACK TO here")
    assert found == {name}
    assert verify(world.store, file=False) == []
