"""What channels are told, verified: each corruption is named by its invariant, and what can be mended is."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from core.connector import Ability
from core.model import Ack, AckState, CancelReason, Refunded, RefundReason, instant
from core.store.database import Store
from core.sync.cancel import Decision, cancel
from core.sync.channel import Channel
from core.sync.correct import Correction, correct
from core.sync.push import push_cancellations, push_refunds, push_tracking
from core.sync.refund import Part, Wish, refund
from core.sync.verify import CHECKS, repair, verify
from tests.core.sync.corrupt import corrupting
from tests.core.sync.fake import SIMPLE, Fake
from tests.core.sync.world import START, World, connector, edited, line, order

ABLE = SIMPLE | {Ability.CANCEL, Ability.REFUND, Ability.CORRECT_TRACKING}


@pytest.fixture
def world(store: Store) -> World:
    """Orders cancelled and confirmed, cancelled and not yet, refused; a parcel corrected; refunds given and queued."""
    world = World(store)
    world.item("A", east=50)
    shop = world.channel(fake=Fake(abilities=ABLE, answer=_answer))
    price = Decimal(5)
    orders = [order(n, line(1, "A", 4, unit_price=price), total=Decimal(20)) for n in "123456"]
    world.take(shop, *orders)
    for number in "123":
        decide(world, number, A=2)
        if number != "3":
            push(world, shop)
    world.take(shop, edited(orders[0], lines=(line(1, "A", 4, unit_price=price, cancelled=2),)))
    decide(world, "6", A=1)
    connector(shop).answer = lambda pushed: Ack(key=pushed.key, state=AckState.REFUSED, reason="no; do it there")
    push(world, shop)
    connector(shop).answer = _answer
    world.ship("4", A=1)
    push(world, shop)
    correct(store, Correction(world.order("4").id, "T1", "T2"), world.now)
    for _ in range(2):
        refund(store, Wish(world.order("5").id, RefundReason.GOODWILL, {"A": Part(units=1)}), world.now)
    push(world, shop)
    back = Refunded(number="R5.1", at=instant(START), amount=price)
    world.take(shop, edited(orders[4], refunds=(back,)))
    refund(store, Wish(world.order("5").id, RefundReason.GOODWILL, {"A": Part(units=1)}), world.now)
    return world


def _answer(pushed: Any) -> Ack:
    return Ack(key=pushed.key, state=AckState.APPLIED, ticket=f"R{pushed.order}.{len(pushed.known) + 1}"
               if hasattr(pushed, "known") else "")  # fmt: skip


def decide(world: World, number: str, **units: int) -> None:
    cancel(world.store, Decision(world.order(number).id, CancelReason.OTHER, units), world.now)


def push(world: World, shop: Channel) -> None:
    world.later()
    for tell in (push_cancellations, push_tracking, push_refunds):
        tell(world.store, shop, world.clock)


def test_the_stage_is_set(world: World) -> None:
    rows = world.rows("SELECT kind, state FROM pushes ORDER BY id")
    assert {(row.kind, row.state) for row in rows} == {
        ("cancel", "confirmed"), ("cancel", "applied"), ("cancel", "refused"), ("tracking", "applied"),
        ("refund", "confirmed"), ("refund", "applied"), ("refund", "queued"),
    }  # fmt: skip
    assert verify(world.store, file=False) == []


_OF = "(SELECT id FROM orders WHERE number = '{}')"

CORRUPTIONS = {
    "units cancelled here and nobody tells the channel": (
        "I12",
        "#2",
        f"DELETE FROM pushes WHERE kind = 'cancel' AND order_id = {_OF.format(2)}",
    ),
    "fewer units told than cancelled": (
        "I12",
        "#1",
        f"UPDATE lines SET cancelling = 1 WHERE order_id = {_OF.format(1)}",
    ),
    "a cancellation due of units the channel shows cancelled": (
        "I12",
        "#2",
        f"UPDATE lines SET cancelling = 0 WHERE order_id = {_OF.format(2)}",
    ),
    "a parcel told twice": (
        "I12",
        "#4",
        "UPDATE pushes SET generation = 1 WHERE kind = 'tracking' AND generation = 2",
    ),
    "a parcel whose first telling is gone": (
        "I12",
        "#4",
        "DELETE FROM pushes WHERE kind = 'tracking' AND generation = 1",
    ),
    "a refund given under no number": (
        "I12",
        "#5",
        "UPDATE refunds SET push_id = NULL WHERE number = 'R5.1'",
    ),
    "a refused refund that was given": (
        "I12",
        "#5",
        "UPDATE pushes SET state = 'refused', reason = 'no; look' WHERE kind = 'refund' AND state = 'applied'",
    ),
    "other words than at first": (
        "I13",
        "#2",
        f"UPDATE pushes SET argument = replace(argument, 'other', 'fraud') WHERE order_id = {_OF.format(2)}",
    ),
    "words nobody knows": (
        "I13",
        "#5",
        "UPDATE pushes SET state = 'sent' WHERE kind = 'refund' AND state = 'queued'",
    ),
    "a refusal without a reason": (
        "I13",
        "#6",
        "UPDATE pushes SET reason = '' WHERE state = 'refused'",
    ),
}


def test_each_corruption_is_named_by_its_invariant_alone(world: World) -> None:
    named: dict[str, set[str]] = {}
    astray: dict[str, list[str]] = {}
    with corrupting(world.store) as tx:
        for what, (_, subject, statement) in CORRUPTIONS.items():
            tx.run("SAVEPOINT sound")
            assert tx.run(statement) > 0, f"{what}: the corruption must change something"
            found = [breach for check in CHECKS for breach in check(tx)]
            named[what] = {breach.name for breach in found}
            if not any(subject in breach.subject for breach in found):
                astray[what] = [str(breach) for breach in found]
            tx.run("ROLLBACK TO sound")
        assert [breach for check in CHECKS for breach in check(tx)] == []
    assert named == {what: {name} for what, (name, _, _) in CORRUPTIONS.items()}
    assert astray == {}


def test_units_nobody_tells_of_become_due_by_repair(world: World) -> None:
    with corrupting(world.store) as tx:
        tx.run(CORRUPTIONS["units cancelled here and nobody tells the channel"][2])
    (told,) = repair(world.store, verify(world.store, file=False), now=world.clock)
    assert "order #2 of shop: 2 of line 1 cancelled here are told to the channel" in told
    assert verify(world.store, file=False) == []
    shop = world.channel(fake=Fake(abilities=ABLE))
    push(world, shop)
    (again,) = [one for one in connector(shop).cancelled if one.order == "2"]
    assert (dict(again.lines), dict(again.before)) == ({"1": 2}, {"1": 0})
    assert "repaired" in world.timeline("2")


def test_a_needless_cancellation_is_ended_by_repair(world: World) -> None:
    with corrupting(world.store) as tx:
        tx.run(CORRUPTIONS["a cancellation due of units the channel shows cancelled"][2])
    (told,) = repair(world.store, verify(world.store, file=False), now=world.clock)
    assert "is confirmed: the channel shows its units as cancelled" in told
    assert verify(world.store, file=False) == []


def test_what_a_person_has_to_look_at_is_left(world: World) -> None:
    with corrupting(world.store) as tx:
        tx.run(CORRUPTIONS["a refund given under no number"][2])
    (told,) = repair(world.store, verify(world.store, file=False), now=world.clock)
    assert told.startswith("left: I12: order #5 of shop, push ")
    assert "how often was it given there?" in told
