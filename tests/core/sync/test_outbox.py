"""What holds for everything a channel is told, whatever it is: parcels, cancellations and refunds alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from core.connector import Ability
from core.errors import Unauthorized, Unavailable, in_doubt
from core.model import Ack, AckState, CancelReason, Order, Package, Refunded, RefundReason, instant
from core.sync import outbox
from core.sync.cancel import Decision, cancel
from core.sync.channel import Channel
from core.sync.push import push_cancellations, push_refunds, push_tracking, settle_pushes
from core.sync.refund import Part, Wish, refund
from core.sync.verify import verify
from tests.core.sync.fake import SIMPLE, Fake, applied, body
from tests.core.sync.world import START, World, connector, edited, line, order

ABLE = SIMPLE | {Ability.CANCEL, Ability.REFUND, Ability.SETTLE}
PRICE = Decimal("5.00")


def sold(number: str) -> Order:
    return order(number, line(1, "A", 2, unit_price=PRICE), total=2 * PRICE)


@dataclass
class Kind:
    """One kind of push: how it is decided here, told, and shown by the channel."""

    name: str
    decide: Callable[[World, str], object]
    push: Callable[..., int]
    told: Callable[[Fake], Sequence[Any]]
    shown: Callable[[Order], Order]


def _shipped(one: Order) -> Order:
    lines = (msgspec.structs.replace(one.lines[0], shipped=1),)
    return edited(one, lines=lines, packages=(Package(tracking=f"T{one.number}", lines={"1": 1}),))


KINDS = [
    Kind(
        "tracking",
        lambda world, number: world.ship(number, tracking=f"T{number}", A=1),
        push_tracking,
        lambda fake: fake.shipped,
        _shipped,
    ),
    Kind(
        "cancel",
        lambda world, number: cancel(
            world.store, Decision(world.order(number).id, CancelReason.OTHER, {"A": 1}), world.now
        ),
        push_cancellations,
        lambda fake: fake.cancelled,
        lambda one: edited(one, lines=(msgspec.structs.replace(one.lines[0], cancelled=1),)),
    ),
    Kind(
        "refund",
        lambda world, number: refund(
            world.store, Wish(world.order(number).id, RefundReason.OTHER, {"A": Part(units=1)}), world.now
        ),
        push_refunds,
        lambda fake: fake.refunded,
        lambda one: edited(one, refunds=(Refunded(number=f"R{one.number}", at=instant(START), amount=PRICE),)),
    ),
]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


@pytest.fixture
def shop(world: World, kind: Kind) -> Channel:
    """Three orders, each with one push of this kind due."""
    world.item("A", east=9)
    shop = world.channel(fake=Fake(abilities=ABLE))
    world.take(shop, *map(sold, "123"))
    for number in "123":
        kind.decide(world, number)
        connector(shop).orders[number] = body(sold(number))
    return shop


def push(world: World, shop: Channel, kind: Kind) -> int:
    world.later()
    return kind.push(world.store, shop, world.clock)


def states(world: World) -> list[str]:
    return [row.state for row in world.rows("SELECT state FROM pushes ORDER BY id")]


def numbers(kind: Kind, shop: Channel) -> list[str]:
    return [one.order for one in kind.told(connector(shop))]


def failing(number: str, error: Exception) -> Callable[[Any], Ack]:
    """The answer for this order's push is lost, once."""
    left = [error]

    def answer(pushed: Any) -> Ack:
        if pushed.order == number and left:
            with in_doubt([pushed.key]):
                raise left.pop()
        return applied(pushed)

    return answer


@pytest.mark.parametrize("arrived", [True, False])
def test_a_batch_that_broke_off_is_read_back_where_it_is_in_doubt_and_goes_on(
    world: World, shop: Channel, kind: Kind, arrived: bool
) -> None:
    connector(shop).answer = failing("2", Unavailable("reset", ambiguous=True))
    if arrived:
        connector(shop).orders["2"] = body(kind.shown(sold("2")))
    looked: list[str] = []
    fetch = connector(shop).fetch
    connector(shop).fetch = lambda number: looked.append(number) or fetch(number)  # type: ignore[method-assign, func-returns-value]
    assert push(world, shop, kind) == (2 if arrived else 3)
    assert looked == ["2"]
    assert states(world) == ["applied", "confirmed" if arrived else "applied", "applied"]
    assert sorted(numbers(kind, shop)) == (["1", "2", "3"] if arrived else ["1", "2", "2", "3"])
    words = [one for one in kind.told(connector(shop)) if one.order == "2"]
    assert all(one == words[0] for one in words), "word for word, under the same key"


@pytest.mark.parametrize("arrived", [True, False])
def test_a_process_that_died_after_sending_is_read_back(world: World, shop: Channel, kind: Kind, arrived: bool) -> None:
    connector(shop).answer = failing("1", KeyboardInterrupt())  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        push(world, shop, kind)
    assert states(world) == ["sent"] * 3
    if arrived:
        for number in "123":
            connector(shop).orders[number] = body(kind.shown(sold(number)))
    again = world.channel(fake=connector(shop))
    assert push(world, again, kind) == (0 if arrived else 3)
    assert states(world) == ["confirmed" if arrived else "applied"] * 3
    assert len(numbers(kind, shop)) == (1 if arrived else 4)


def test_an_order_known_word_for_word_is_proof_enough(world: World, shop: Channel, kind: Kind) -> None:
    """Read back, it is no newer than what is stored: nothing is taken in, and the push is decided all the same."""
    shown = kind.shown(sold("1"))
    push(world, shop, kind)
    world.take(shop, shown)
    with world.store.write() as tx:
        tx.run("UPDATE pushes SET state = 'unknown' WHERE order_id = :id", id=world.order("1").id)
        tx.run("UPDATE refunds SET push_id = NULL, origin = 'channel'")
    connector(shop).orders["1"] = body(shown)
    assert push(world, shop, kind) == 0
    assert states(world)[0] == "confirmed"
    assert len(numbers(kind, shop)) == 3


def test_an_outage_before_anything_arrived_is_tried_again_without_a_look(
    world: World, shop: Channel, kind: Kind
) -> None:
    connector(shop).answer = failing("2", Unavailable("down"))
    with pytest.raises(Unavailable):
        push(world, shop, kind)
    assert states(world) == ["applied", "queued", "queued"]
    assert push(world, shop, kind) == 2
    assert "fetch" not in connector(shop).calls


def test_credentials_refused_half_way_leave_the_rest_in_doubt(world: World, shop: Channel, kind: Kind) -> None:
    connector(shop).answer = failing("2", Unauthorized("renew the token"))
    with pytest.raises(Unauthorized):
        push(world, shop, kind)
    assert states(world) == ["applied", "unknown", "unknown"]
    assert push(world, shop, kind) == 2


def test_what_is_accepted_is_settled_by_its_key(world: World, shop: Channel, kind: Kind) -> None:
    connector(shop).answer = lambda pushed: Ack(key=pushed.key, state=AckState.ACCEPTED, ticket=f"feed {pushed.order}")
    assert push(world, shop, kind) == 3
    connector(shop).settled = {
        "feed 1": Ack(key="", state=AckState.APPLIED, ticket="R1"),
        "feed 2": Ack(key="", state=AckState.REFUSED, reason="too late; leave it"),
        "feed 3": Ack(key="", state=AckState.RETRY),
    }
    world.later()
    settle_pushes(world.store, shop, world.clock)
    assert states(world) == ["applied", "refused", "queued"]
    connector(shop).answer = applied
    assert push(world, shop, kind) == 1
    assert numbers(kind, shop) == ["1", "2", "3", "3"]


def test_an_order_the_channel_has_closed_or_forgotten_is_an_issue(world: World, shop: Channel, kind: Kind) -> None:
    def answer(pushed: Any) -> Ack:
        if pushed.order == "1":
            return Ack(key=pushed.key, state=AckState.REFUSED, reason="the order is closed; look there")
        return applied(pushed)

    connector(shop).answer = answer
    push(world, shop, kind)
    assert push(world, shop, kind) == 0
    assert numbers(kind, shop) == ["1", "2", "3"]
    assert states(world) == ["refused", "applied", "applied"]
    assert world.value("SELECT reason FROM pushes WHERE state = 'refused'") == "the order is closed; look there"


def test_a_refusal_without_a_reason_gets_one(world: World, shop: Channel, kind: Kind) -> None:
    connector(shop).answer = lambda pushed: Ack(key=pushed.key, state=AckState.REFUSED)
    push(world, shop, kind)
    assert "does not say why; look the order up there" in world.value("SELECT min(reason) FROM pushes")


def test_an_order_gone_from_the_channel_refuses_what_is_in_doubt(world: World, shop: Channel, kind: Kind) -> None:
    connector(shop).answer = failing("1", Unavailable("reset", ambiguous=True))
    with pytest.raises(Unavailable):
        push(world, shop, kind)
    del connector(shop).orders["1"]
    assert push(world, shop, kind) == 2
    assert states(world) == ["refused", "applied", "applied"]


def test_other_words_than_at_first_are_a_loud_bug_and_never_sent(world: World, shop: Channel, kind: Kind) -> None:
    connector(shop).answer = lambda pushed: Ack(key=pushed.key, state=AckState.RETRY)
    push(world, shop, kind)
    with world.store.write() as tx:
        first = "UPDATE pushes SET argument = replace(argument, :was, :now) WHERE id = (SELECT min(id) FROM pushes)"
        tx.run(first, was=":1", now=":2")
    assert [breach.name for breach in verify(world.store, file=False)] == ["I13"]
    connector(shop).answer = applied
    with capture_logs() as logs:
        assert push(world, shop, kind) == 2
    assert [(one["log_level"], one["kind"]) for one in logs] == [("error", kind.name)]
    assert numbers(kind, shop) == ["1", "2", "3", "2", "3"]
    assert "which is a bug: report it" in world.value("SELECT reason FROM pushes WHERE state = 'refused'")
    with world.store.write() as tx:
        tx.run(first, was=":2", now=":1")


def test_more_than_one_batch_is_told(world: World, shop: Channel, kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "BATCH", 2)
    assert push(world, shop, kind) == 3


def test_a_shadow_is_told_nothing(world: World, shop: Channel, kind: Kind) -> None:
    assert push(world, world.channel(fake=connector(shop), mode="shadow"), kind) == 0
    assert states(world) == ["queued"] * 3


def test_what_was_in_flight_before_its_words_were_kept_is_read_back(world: World, shop: Channel, kind: Kind) -> None:
    """An outbox of an older version, found by this one."""
    if kind.name != "tracking":
        return
    with world.store.write() as tx:
        tx.run("UPDATE pushes SET state = 'unknown', attempts = 1")
    connector(shop).orders["1"] = body(kind.shown(sold("1")))
    assert push(world, shop, kind) == 2
    assert states(world) == ["confirmed", "applied", "applied"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_process_killed_in_mid_batch_has_written_down_what_was_answered(
    world: World, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a slow channel whose daemon is killed again and again would read the same batch back for ever."""
    monkeypatch.setattr(outbox, "BOOK_SECONDS", 0.0)
    world.item("A", east=9)
    shop = world.channel(fake=Fake(abilities=ABLE))
    for number in ("1", "2"):
        world.take(shop, sold(number))
        world.release(shop)
        kind.decide(world, number)
    answers = iter([applied])

    def answer(pushed: Any) -> Ack:
        if (say := next(answers, None)) is None:
            raise KeyboardInterrupt  # what no handler of ours catches, as a kill is not
        return say(pushed)

    connector(shop).answer = answer
    with pytest.raises(KeyboardInterrupt):
        kind.push(world.store, shop, world.clock)
    states = world.rows("SELECT state FROM pushes WHERE kind = :kind ORDER BY id", kind=kind.name)
    assert [row.state for row in states] == ["applied", "sent"]
