"""A void parcel taken back at its channel: once, before what builds on it, and what is shown then is no news."""

from __future__ import annotations

from typing import Any

import pytest

from core.connector import Ability
from core.errors import Unavailable
from core.model import Ack, AckState, CancelReason, Order, Package, Voiding
from core.sync.cancel import Decision, cancel
from core.sync.channel import Channel
from core.sync.correct import Correction, correct
from core.sync.push import push_cancellations, push_tracking, push_voids
from core.sync.pushes import drop, listed, retry
from core.sync.round import run_round
from core.sync.verify import CHECKS, verify
from core.sync.void import Void, Voided, settle, void
from tests.core.sync.corrupt import corrupting
from tests.core.sync.fake import SIMPLE, Fake, applied, body
from tests.core.sync.world import World, connector, edited, line, order

ABLE = SIMPLE | {Ability.VOID_TRACKING, Ability.CORRECT_TRACKING, Ability.CANCEL}

FIRST = order("1", line(1, "A", 3), line(2, "B", 1))
REFUSED = "it will not; cancel it there"


def ticketed(pushed: Any) -> Ack:
    return Ack(key=pushed.key, state=AckState.APPLIED, ticket=f"F-{pushed.key}")


def refusing(pushed: Any) -> Ack:
    if isinstance(pushed, Voiding):
        return Ack(key=pushed.key, state=AckState.REFUSED, reason=REFUSED)
    return applied(pushed)


def lost(pushed: Any) -> Ack:
    raise Unavailable("no answer came", ambiguous=True)


@pytest.fixture
def shop(world: World) -> Channel:
    """An order of three A and one B; two A left in T1, and the channel was told."""
    world.item("A", east=9)
    world.item("B", east=9)
    shop = world.channel(fake=Fake(abilities=ABLE, answer=ticketed))
    begin(world, shop)
    return shop


def begin(world: World, shop: Channel) -> None:
    world.take(shop, FIRST)
    world.ship("1", A=2)
    push_tracking(world.store, shop, world.clock)
    connector(shop).answer = applied


def take_out(world: World, tracking: str = "T1", *, takes_back: bool = True) -> Voided:
    wish = Void(order_id=world.order("1").id, tracking=tracking, why="label bought twice")
    return void(world.store, wish, world.now, takes_back=takes_back)


def tell(world: World, shop: Channel) -> int:
    world.later()
    return push_voids(world.store, shop, world.clock)


def track(world: World, shop: Channel) -> list[str]:
    """The numbers of the parcels told of now."""
    before = len(connector(shop).shipped)
    push_tracking(world.store, shop, world.clock)
    return [one.tracking for one in connector(shop).shipped[before:]]


def state(world: World) -> tuple[str, ...]:
    return tuple(row.state for row in world.rows("SELECT state FROM pushes WHERE kind = 'void' ORDER BY id"))


def shown(*trackings: str, version: int = 2) -> Order:
    """The order as the channel shows it with so many parcels, of two A each."""
    packages = tuple(Package(tracking=tracking, carrier="UPS", lines={"1": 2}) for tracking in trackings)
    lines = (line(1, "A", 3, shipped=2 * len(packages)), line(2, "B", 1))
    return edited(FIRST, lines=lines, packages=packages, version=version)


def shipped_anew(world: World, shop: Channel) -> None:
    world.refill(shop)
    world.ship("1", tracking="T2", A=2)


def test_the_channel_is_told_once_and_of_all_that_it_was_told(world: World, shop: Channel) -> None:
    parcel = world.value("SELECT id FROM shipments")
    correct(world.store, Correction(order_id=world.order("1").id, was="T1", tracking="T1b"), world.now)
    assert track(world, shop) == ["T1b"]
    done = take_out(world, "T1b")
    again = take_out(world, "T1b")
    assert (done.shown, done.push, again.new, again.push) == (
        True,
        world.value("SELECT max(id) FROM pushes"),
        False,
        None,
    )
    assert "the channel was told of it already and takes it back" in world.value(
        "SELECT detail FROM audit WHERE event = 'parcel voided'"
    )
    assert (tell(world, shop), tell(world, shop)) == (1, 0)
    assert connector(shop).voided == [
        Voiding(
            key=f"void:{done.push}",
            order="1",
            told=f"shipment:{parcel}",
            numbers=("T1b", "T1"),
            lines={"1": 2},
            tickets=(f"F-shipment:{parcel}",),
        )
    ]
    assert state(world) == ("applied",)
    assert verify(world.store, file=False) == []


def test_a_parcel_that_was_not_told_is_not_taken_back(world: World) -> None:
    world.item("A", east=9)
    world.item("B", east=9)
    shop = world.channel(fake=Fake(abilities=ABLE))
    world.take(shop, FIRST)
    world.ship("1", A=2)
    assert (take_out(world).push, tell(world, shop), track(world, shop)) == (None, 0, [])


def test_where_it_cannot_be_told_all_stays_by_hand(world: World, shop: Channel) -> None:
    assert take_out(world, takes_back=False).push is None
    shipped_anew(world, shop)
    assert (tell(world, shop), track(world, shop), state(world)) == (0, ["T2"], ())
    assert world.value("SELECT void_shown FROM shipments WHERE tracking = 'T1'")


@pytest.mark.parametrize("keys", [{"mode": "shadow"}, {"push_tracking": False}])
def test_a_channel_that_is_told_of_no_parcels_is_told_of_no_void_ones(
    world: World, shop: Channel, keys: dict[str, Any]
) -> None:
    take_out(world)
    quiet = world.channel(fake=connector(shop), **keys)
    assert (tell(world, quiet), state(world)) == (0, ("queued",))


def test_units_leave_in_another_parcel_once_it_is_taken_back(world: World, shop: Channel) -> None:
    take_out(world)
    shipped_anew(world, shop)
    assert track(world, shop) == [], "the channel takes the units for shipped"
    connector(shop).answer = refusing
    assert (tell(world, shop), state(world), track(world, shop)) == (0, ("refused",), [])
    connector(shop).answer = applied
    push = world.value("SELECT id FROM pushes WHERE kind = 'void'")
    retry(world.store, push, world.now)
    assert track(world, shop) == []
    assert (tell(world, shop), track(world, shop)) == (1, ["T2"])
    assert [one.key for one in connector(shop).voided] == [f"void:{push}", f"void:{push}.2"]


def test_a_parcel_told_too_early_goes_after_it_however_old_its_push_is(world: World, shop: Channel) -> None:
    world.ship("1", tracking="T2", A=1)
    connector(shop).answer = lambda pushed: Ack(key=pushed.key, state=AckState.REFUSED, reason="nothing left; look")
    assert track(world, shop) == ["T2"]
    take_out(world)
    connector(shop).answer = applied
    retry(world.store, world.value("SELECT id FROM pushes WHERE state = 'refused'"), world.now)
    assert track(world, shop) == []
    assert (tell(world, shop), track(world, shop)) == (1, ["T2"])


def test_parcels_of_other_lines_wait_for_nothing(world: World, shop: Channel) -> None:
    take_out(world)
    world.ship("1", tracking="T2", B=1)
    assert track(world, shop) == ["T2"]


def test_a_cancellation_waits_until_the_units_are_open_at_the_channel(world: World, shop: Channel) -> None:
    take_out(world)
    world.refill(shop)
    cancel(world.store, Decision(world.order("1").id, CancelReason.BUYER, {"1": 3}), world.now)
    assert push_cancellations(world.store, shop, world.clock) == 0
    assert (tell(world, shop), push_cancellations(world.store, shop, world.clock)) == (1, 1)


def test_what_is_on_its_way_lands_first(world: World, shop: Channel) -> None:
    world.ship("1", tracking="T2", A=1)
    with world.store.write() as tx:
        tx.run("UPDATE pushes SET state = 'accepted' WHERE state = 'queued'")
    take_out(world)
    assert tell(world, shop) == 0
    with world.store.write() as tx:
        tx.run("UPDATE pushes SET state = 'applied' WHERE state = 'accepted'")
    assert tell(world, shop) == 1


def test_what_the_channel_shows_then_is_no_news(world: World, shop: Channel) -> None:
    world.take(shop, shown("T1"))
    take_out(world)
    tell(world, shop)
    world.take(shop, shown("T1", version=3))  # read before it was told
    assert (state(world), world.value("SELECT void_shown FROM shipments")) == (("applied",), True)
    before = world.counts("1"), world.at("A"), world.stock("A")
    assert before == ({"ordered": 3, "reserved": 3, "allocated": 3}, {"east": (9, 3)}, (9, 3))
    world.take(shop, shown(version=4))
    assert (world.counts("1"), world.at("A"), world.stock("A")) == before
    assert (state(world), world.value("SELECT void_shown FROM shipments")) == (("confirmed",), False)
    assert world.value("SELECT count(*) FROM shipments") == 1
    shipped_anew(world, shop)
    assert track(world, shop) == ["T2"]
    world.take(shop, shown("T2", version=5))
    assert world.counts("1") == {"ordered": 3, "shipped": 2, "reserved": 1, "allocated": 1}
    assert world.stock("A") == (7, 1)
    assert verify(world.store, file=False) == []


def test_what_was_read_before_the_channel_was_told_of_it_takes_nothing_back(world: World, shop: Channel) -> None:
    take_out(world)
    world.take(shop, shown())
    assert state(world) == ("queued",)
    assert (tell(world, shop), len(connector(shop).voided)) == (1, 1)


@pytest.mark.parametrize("arrived", [True, False])
def test_a_lost_answer_is_looked_up_before_anything_is_said_again(world: World, shop: Channel, arrived: bool) -> None:
    take_out(world)
    connector(shop).answer = lost
    connector(shop).orders["1"] = body(shown("T1"))
    with pytest.raises(Unavailable):
        tell(world, shop)
    assert state(world) == ("unknown",)
    connector(shop).answer = applied
    connector(shop).orders["1"] = body(shown(version=3) if arrived else shown("T1", version=3))
    said = tell(world, shop)
    assert (said, state(world)) == ((0, ("confirmed",)) if arrived else (1, ("applied",)))
    first, *more = connector(shop).voided
    assert more == ([] if arrived else [first])


def test_a_look_without_a_newer_version_says_whether_it_is_gone(world: World, shop: Channel) -> None:
    world.take(shop, shown("T1"))
    take_out(world)
    connector(shop).answer = lost
    with pytest.raises(Unavailable):
        tell(world, shop)
    connector(shop).orders["1"] = body(shown())  # within the same second
    assert (tell(world, shop), state(world)) == (0, ("confirmed",))


def test_a_look_at_what_is_known_already_says_so_too(world: World, shop: Channel) -> None:
    take_out(world)
    world.take(shop, shown())
    connector(shop).answer = lost
    with pytest.raises(Unavailable):
        tell(world, shop)
    connector(shop).answer = applied
    connector(shop).orders["1"] = body(shown())
    assert (tell(world, shop), state(world), len(connector(shop).voided)) == (0, ("confirmed",), 1)


def test_who_takes_it_back_at_the_channel_ends_a_refusal(world: World, shop: Channel) -> None:
    world.take(shop, shown("T1"))
    take_out(world)
    connector(shop).answer = refusing
    tell(world, shop)
    shipped_anew(world, shop)
    (found,) = [one for one in listed(world.store, [shop.id]) if one.kind == "void"]
    assert (found.what, found.state, found.reason) == ("UPS T1 never left", "refused", REFUSED)
    world.take(shop, shown(version=3))
    assert state(world) == ("confirmed",)
    assert track(world, shop) == ["T2"]


@pytest.mark.parametrize("how", ["settled", "dropped"])
def test_who_gives_it_up_lets_the_rest_go_on(world: World, shop: Channel, how: str) -> None:
    take_out(world)
    connector(shop).answer = refusing
    tell(world, shop)
    shipped_anew(world, shop)
    assert track(world, shop) == []
    if how == "settled":
        wish = Void(order_id=world.order("1").id, tracking="T1", why="done there")
        assert (settle(world.store, wish, world.now), settle(world.store, wish, world.now)) == (True, False)
    else:
        drop(world.store, world.value("SELECT id FROM pushes WHERE kind = 'void'"), "done there", world.now)
    assert state(world) == ("dropped",)
    assert track(world, shop) == ["T2"]


def test_a_round_takes_back_before_it_tells(world: World, shop: Channel) -> None:
    take_out(world)
    shipped_anew(world, shop)
    world.later()
    outcome = run_round(world.store, shop, {"shop": shop.settings}, world.clock, pulling=False)
    assert (outcome.voided, outcome.tracking) == (1, 1)
    calls = connector(shop).calls
    assert calls.index("push_voids") < calls.index("push_tracking", calls.index("push_voids"))


def test_an_order_the_channel_knows_no_more_is_refused(world: World, shop: Channel) -> None:
    take_out(world)
    connector(shop).answer = lost
    with pytest.raises(Unavailable):
        tell(world, shop)
    tell(world, shop)
    assert state(world) == ("refused",)


CORRUPTIONS = {
    "a parcel that left is taken back": (
        "I12",
        "UPDATE pushes SET shipment_id = (SELECT id FROM shipments WHERE tracking = 'T2') WHERE kind = 'void'",
    ),
    "a parcel that was never told is taken back": (
        "I12",
        "UPDATE pushes SET state = 'dropped' WHERE kind = 'tracking' AND shipment_id ="
        " (SELECT id FROM shipments WHERE tracking = 'T1')",
    ),
    "it is on its way and nobody knows its words": ("I13", "UPDATE pushes SET state = 'sent' WHERE kind = 'void'"),
}


@pytest.mark.parametrize("what", CORRUPTIONS)
def test_each_corruption_is_named_by_its_invariant_alone(small_world: World, what: str) -> None:
    world = small_world
    world.item("A", east=9)
    world.item("B", east=9)
    shop = world.channel(fake=Fake(abilities=ABLE))
    begin(world, shop)
    take_out(world)
    world.ship("1", tracking="T2", B=1)
    assert track(world, shop) == ["T2"]
    name, statement = CORRUPTIONS[what]
    with corrupting(world.store) as tx:
        tx.run("SAVEPOINT here")
        tx.run(statement)
        found = {breach.name for check in CHECKS for breach in check(tx)}
        tx.run("ROLLBACK TO here")
    assert found == {name}
    assert verify(world.store, file=False) == []
