"""Money given back: never more than was paid, given once, and no stock moved by it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from core.connector import Ability
from core.errors import Unavailable, UserError, in_doubt
from core.model import Ack, AckState, CancelReason, Order, Package, Refunded, RefundReason, instant
from core.sync.cancel import Decision, cancel
from core.sync.channel import Channel
from core.sync.push import push_cancellations, push_refunds
from core.sync.pushes import drop, retry
from core.sync.refund import Part, Quote, Wish, quote, refund
from tests.core.sync.fake import SIMPLE, Fake, applied, body
from tests.core.sync.world import START, World, connector, edited, line, order

ABLE = SIMPLE | {Ability.REFUND, Ability.CANCEL}
D = Decimal


def sold(number: str = "1", **more: Any) -> Order:
    """Three A at 10.00 with 1.00 of tax in all, one B at 7.50, shipping 5.00: 43.50."""
    lines = (line(1, "A", 3, unit_price=D("10.00"), tax=D("1.00")), line(2, "B", 1, unit_price=D("7.50")))
    return order(number, *lines, shipping=D("5.00"), total=D("43.50"), **more)


@pytest.fixture
def shop(world: World) -> Channel:
    world.item("A", east=9)
    world.item("B", east=9)
    shop = world.channel(fake=Fake(abilities=ABLE))
    world.take(shop, sold())
    return shop


def wish(world: World, number: str = "1", parts: Mapping[str, Part] | None = None, **more: Any) -> Wish:
    return Wish(order_id=world.order(number).id, reason=RefundReason.RETURNED, parts=parts, **more)


def give(world: World, number: str = "1", parts: Mapping[str, Part] | None = None, **more: Any) -> Quote:
    return refund(world.store, wish(world, number, parts, **more), world.now)


def units(**parts: int) -> dict[str, Part]:
    return {sku: Part(units=count) for sku, count in parts.items()}


def money(sku: str, amount: str, count: int = 0) -> dict[str, Part]:
    return {sku: Part(units=count, amount=D(amount))}


def push(world: World, shop: Channel) -> int:
    world.later()
    return push_refunds(world.store, shop, world.clock)


def pushes(world: World) -> list[str]:
    return [row.state for row in world.rows("SELECT state FROM pushes WHERE kind = 'refund' ORDER BY id")]


def refunds(world: World) -> list[tuple[str, int, str]]:
    rows = world.rows("SELECT number, amount, origin FROM refunds ORDER BY id")
    return [(row.number, row.amount // 10_000, row.origin) for row in rows]


def numbered(number: str) -> Any:
    return lambda pushed: Ack(key=pushed.key, state=AckState.APPLIED, ticket=number)


def shown(number: str, amount: str, **lines: int) -> Refunded:
    return Refunded(number=number, at=instant(START) + timedelta(days=1), amount=D(amount), lines=lines)


# What it comes to.


def test_units_cost_what_was_paid_for_them(world: World, shop: Channel) -> None:
    found = quote(world.store, wish(world, parts=units(A=1, B=1)))
    assert (found.amount, found.currency, found.paid, found.refunded) == (D("17.83"), "USD", D("43.50"), D(0))
    assert [(n, r.quantity, r.amount, r.tax) for n, r in found.lines.items()] == [
        ("1", 1, D("10.00"), D("0.33")),
        ("2", 1, D("7.50"), D("0.00")),
    ]
    assert pushes(world) == []


def test_the_shares_of_a_line_add_up_to_what_it_cost(world: World, shop: Channel) -> None:
    world.take(
        shop, order("2", line(1, "A", 3, unit_price=D("3.33"), discount=D("0.10"), tax=D("1.00")), total=D("10.89"))
    )
    shares = [give(world, "2", units(A=1)) for _ in range(3)]
    assert [share.lines["1"].tax for share in shares] == [D("0.33"), D("0.34"), D("0.33")]
    assert sum(share.amount for share in shares) == D("10.89")


def test_a_currency_without_cents_has_none(world: World, shop: Channel) -> None:
    world.take(shop, order("2", line(1, "A", 3, unit_price=D(333), discount=D(1)), total=D(998), currency="JPY"))
    assert quote(world.store, wish(world, "2", units(A=1))).amount == D("333")
    with pytest.raises(UserError, match=r"1.5 is no amount of JPY; write it with at most 0 decimals"):
        quote(world.store, wish(world, "2", money("A", "1.5")))


def test_an_amount_brings_its_share_of_the_tax(world: World, shop: Channel) -> None:
    found = quote(world.store, wish(world, parts=money("A", "15.00", 2)))
    assert (found.lines["1"].quantity, found.lines["1"].tax, found.amount) == (2, D("0.50"), D("15.50"))


def test_nothing_named_is_all_that_is_left(world: World, shop: Channel) -> None:
    assert give(world, parts=units(B=1)).amount == D("7.50")
    rest = quote(world.store, wish(world))
    assert (rest.amount, rest.shipping, list(rest.lines)) == (D("36.00"), D("5.00"), ["1"])
    assert give(world).amount == D("36.00")
    with pytest.raises(UserError, match="nothing would be given back"):
        give(world)


def test_what_is_left_but_not_what_its_units_cost_has_to_be_named(world: World, shop: Channel) -> None:
    give(world, parts=money("A", "10.00"))
    with pytest.raises(UserError, match=r"33.17 USD of order #1 is left to give back, which is not what its units"):
        give(world)


@pytest.mark.parametrize(
    ("parts", "shipping", "told"),
    [
        (units(A=4), None, "4 of A cannot be refunded: 3 were ordered and 0 of them refunded already"),
        (money("A", "30.01"), None, "30.01 for A is more than the 30.00 it cost"),
        (None, "5.01", "5.01 of shipping cannot be given back: 5.00 was paid for it"),
        (money("A", "0.005"), None, "0.005 is no amount of USD; write it with at most 2 decimals"),
        (money("A", "-1"), None, "-1 is no amount of USD"),
        (money("A", "NaN"), None, "NaN is no amount of USD"),
        (units(C=1), None, "order #1 has no line 'C'"),
        (units(A=0), None, "nothing is named for A"),
        (None, "0", "nothing would be given back"),
    ],
)
def test_what_cannot_be_given_is_told(
    world: World, shop: Channel, parts: dict[str, Part] | None, shipping: str | None, told: str
) -> None:
    with pytest.raises(UserError, match=told.replace("(", r"\(")):
        give(world, parts=parts, shipping=None if shipping is None else D(shipping))
    assert pushes(world) == []


def test_never_more_than_was_paid_less_what_was_given_back(world: World, shop: Channel) -> None:
    world.take(shop, edited(sold(), refunds=(shown("R1", "30.00"),)))
    give(world, parts=units(B=1))
    with pytest.raises(
        UserError,
        match=r"10.33 USD cannot be given back: 43.50 was paid for order #1, 37.50 is given back or on its way",
    ):
        give(world, parts=units(A=1))
    assert give(world, shipping=D("5.00")).amount == D("5.00")


def test_a_sku_on_two_lines_is_named_by_its_line(world: World, shop: Channel) -> None:
    two = (line(1, "A", 1, unit_price=D(1)), line(2, "A", 1, unit_price=D(2)))
    world.take(shop, order("2", *two, total=D(3)))
    with pytest.raises(UserError, match="A is on several lines of order #2; name one of the lines 1, 2"):
        give(world, "2", units(A=1))
    assert give(world, "2", {"2": Part(units=1)}).amount == D(2)
    with pytest.raises(UserError, match="line 2 is named twice"):
        give(world, "1", {"2": Part(units=1), "B": Part(units=1)})


def test_an_order_without_amounts_waits(world: World, shop: Channel) -> None:
    world.take(shop, order("2", line(1, "A", 1), priced=False))
    with pytest.raises(UserError, match="has not told the amounts of order #2 yet"):
        give(world, "2", units(A=1))


def test_what_was_agreed_to_is_what_is_given(world: World, shop: Channel) -> None:
    agreed = wish(world)
    expected = quote(world.store, agreed).amount
    world.take(shop, edited(sold(), refunds=(shown("R1", "5.00"),)))
    with pytest.raises(UserError, match=r"order #1 has changed: 38.50 would be given now"):
        refund(world.store, agreed, world.now, expected=expected)
    assert pushes(world) == []


def test_the_same_reference_is_decided_once(world: World, shop: Channel) -> None:
    first = give(world, parts=units(A=1), reference="case 7")
    again = give(world, parts=units(A=1), reference="case 7")
    assert (again.push, again.new, again.amount) == (first.push, False, first.amount)
    assert pushes(world) == ["queued"]


# Its way to the channel.


def test_a_refund_is_told_once_and_moves_nothing(world: World, shop: Channel) -> None:
    world.ship("1", A=1)
    before = world.counts("1"), world.stock("A"), world.at("A")
    done = give(world, parts=units(A=1), shipping=D("2.00"), rma="RMA-1", note="sorry")
    assert (world.counts("1"), world.stock("A"), world.at("A")) == before
    connector(shop).answer = numbered("R1")
    assert push(world, shop) == 1
    told = connector(shop).refunded[0]
    assert (told.key, told.order, told.currency, told.shipping) == (f"refund:{done.push}", "1", "USD", D("2.00"))
    assert (told.reason, told.rma, told.note, told.known) == (RefundReason.RETURNED, "RMA-1", "sorry", ())
    assert told.lines == done.lines
    assert (pushes(world), refunds(world)) == (["applied"], [("R1", 1233, "ours")])
    assert push(world, shop) == 0
    world.take(shop, edited(sold(), lines=(*sold().lines,), refunds=(shown("R1", "12.33", **{"1": 1}),)))
    assert (pushes(world), refunds(world)) == (["confirmed"], [("R1", 1233, "ours")])
    assert len(connector(shop).refunded) == 1


def test_a_refund_that_reads_back_without_a_number_is_told_by_its_amount(world: World, shop: Channel) -> None:
    give(world, parts=units(B=1))
    connector(shop).answer = applied
    push(world, shop)
    assert refunds(world) == []
    world.take(shop, edited(sold(), refunds=(shown("R1", "5.00"), shown("R2", "7.50"))))
    assert (pushes(world), refunds(world)) == (["confirmed"], [("R1", 500, "channel"), ("R2", 750, "ours")])


@pytest.mark.parametrize("arrived", [True, False])
def test_a_refund_that_broke_off_is_read_back_first(world: World, shop: Channel, arrived: bool) -> None:
    give(world, parts=units(B=1))
    lose(world, shop)
    one = edited(sold(), refunds=(shown("R1", "7.50"),)) if arrived else sold()
    connector(shop).orders["1"] = body(one)
    connector(shop).answer = numbered("R1")
    assert push(world, shop) == (0 if arrived else 1)
    told = connector(shop).refunded
    assert len(told) == (1 if arrived else 2)
    assert told[0] == told[-1], "word for word, under the same key"
    assert refunds(world) == [("R1", 750, "ours")]
    assert pushes(world) == ["confirmed" if arrived else "applied"]


def lose(world: World, shop: Channel) -> None:
    def lost(pushed: Any) -> Ack:
        with in_doubt([pushed.key]):
            raise Unavailable("reset", ambiguous=True)

    connector(shop).answer = lost
    with pytest.raises(Unavailable):
        push(world, shop)
    assert "unknown" in pushes(world)


def test_two_refunds_of_one_order_are_never_taken_for_each_other(world: World, shop: Channel) -> None:
    for _ in range(2):
        give(world, parts=money("A", "5.00"))
    lose(world, shop)
    assert pushes(world) == ["unknown", "queued"], "the second waits until the first is known"
    once = edited(sold(), refunds=(shown("R1", "5.17"),))
    connector(shop).orders["1"] = body(once)
    connector(shop).answer = numbered("R2")
    assert push(world, shop) == 1
    assert [told.known for told in connector(shop).refunded] == [(), ("R1",)]
    assert refunds(world) == [("R1", 517, "ours"), ("R2", 517, "ours")]
    world.take(shop, edited(once, refunds=(shown("R1", "5.17"), shown("R2", "5.17"))))
    assert pushes(world) == ["confirmed", "confirmed"]


def test_a_refund_the_channel_shows_as_several_counts_once_and_is_known_whole(world: World, shop: Channel) -> None:
    give(world, parts=units(A=1), shipping=D("2.00"))
    give(world, parts=units(B=1))
    tickets = iter(["goods, shipping", "more"])
    connector(shop).answer = lambda told: Ack(key=told.key, state=AckState.APPLIED, ticket=next(tickets))
    assert push(world, shop) == 2
    assert [told.known for told in connector(shop).refunded] == [(), ("goods", "shipping")]
    assert refunds(world) == [("goods", 1233, "ours"), ("more", 750, "ours")]
    seen = (shown("goods", "10.33"), shown("shipping", "2.00"), shown("more", "7.50"))
    world.take(shop, edited(sold(), refunds=seen))
    assert pushes(world) == ["confirmed", "confirmed"]
    assert refunds(world) == [("goods", 1033, "ours"), ("more", 750, "ours"), ("shipping", 200, "ours")]
    with pytest.raises(UserError, match="1 of them refunded"):
        give(world, parts=units(A=3))  # which units it was for is known from here, as the channel does not say


def test_a_part_of_a_refund_of_ours_is_no_strangers(world: World, shop: Channel) -> None:
    give(world, parts=money("A", "5.00"), shipping=D("0.50"))
    give(world, shipping=D("0.50"))
    connector(shop).answer = numbered("C1, C2")
    with world.store.write() as tx:
        tx.run("UPDATE pushes SET due_at = :later WHERE id = (SELECT max(id) FROM pushes)", later=world.now + 10**10)
    assert push(world, shop) == 1
    world.take(shop, edited(sold(), refunds=(shown("C1", "5.17"), shown("C2", "0.50"))))
    world.later(20_000)
    connector(shop).answer = numbered("C3")
    assert push(world, shop) == 1
    assert connector(shop).refunded[-1].known == ("C1", "C2")


def test_money_somebody_gave_back_there_meanwhile_is_asked_about(world: World, shop: Channel) -> None:
    done = give(world, parts=units(B=1))
    assert done.push is not None
    one = edited(sold(), refunds=(shown("R9", "7.50"),))
    world.take(shop, one)
    assert push(world, shop) == 0
    assert connector(shop).refunded == []
    (row,) = world.rows("SELECT state, reason FROM pushes")
    assert row.state == "refused"
    assert (
        row.reason
        == "7.50 USD was given back meanwhile (R9); retry this refund if it is to be given besides, else drop it"
    )
    world.take(shop, edited(one, service="x"))
    assert pushes(world) == ["refused"]
    connector(shop).answer = numbered("R10")
    retry(world.store, done.push, world.now)
    assert push(world, shop) == 1
    assert (connector(shop).refunded[0].known, connector(shop).refunded[0].key) == (("R9",), f"refund:{done.push}.2")


def test_what_was_given_back_meanwhile_leaves_less(world: World, shop: Channel) -> None:
    done = give(world, parts=units(A=3))
    assert done.push is not None
    world.take(shop, edited(sold(), refunds=(shown("R9", "20.00"),)))
    assert push(world, shop) == 0
    assert world.value("SELECT reason FROM pushes") == (
        "only 23.50 USD of what was paid is left; drop it and give back less"
    )
    with pytest.raises(UserError, match=r"only 23.50 USD of what was paid is left to give back; drop it"):
        retry(world.store, done.push, world.now)
    drop(world.store, done.push, "too much", world.now)
    assert give(world, parts=units(B=1)).amount == D("7.50")


def test_a_refused_refund_stays_refused_and_gives_nothing(world: World, shop: Channel) -> None:
    done = give(world, parts=units(B=1))
    assert done.push is not None
    connector(shop).answer = lambda pushed: Ack(key=pushed.key, state=AckState.REFUSED, reason="too old; do it there")
    assert push(world, shop) == 0
    assert push(world, shop) == 0
    assert (pushes(world), refunds(world), len(connector(shop).refunded)) == (["refused"], [], 1)
    assert quote(world.store, wish(world)).refunded == 0
    world.take(shop, edited(sold(), refunds=(shown("R1", "7.50"),)))
    assert (pushes(world), refunds(world)) == (["confirmed"], [("R1", 750, "ours")]), "done there by hand"


# What the channel shows by itself.


def test_refunds_first_seen_with_the_order_are_kept(world: World, shop: Channel) -> None:
    world.take(shop, edited(sold("2"), refunds=(shown("R1", "7.50", **{"2": 1}),)))
    assert refunds(world) == [("R1", 750, "channel")]
    with pytest.raises(UserError, match="1 of B cannot be refunded: 1 were ordered and 1 of them refunded already"):
        give(world, "2", units(B=1))


def test_a_refund_the_channel_corrects_is_brought_up_to_date(world: World, shop: Channel) -> None:
    one = edited(sold(), refunds=(shown("R1", "5.00"),))
    world.take(shop, one)
    world.take(shop, edited(one, refunds=(shown("R1", "6.00"),)))
    assert refunds(world) == [("R1", 600, "channel")]


@pytest.mark.parametrize(
    "wrong",
    [
        (shown("", "1.00"),),
        (shown("R1", "1.00"), shown("R1", "2.00")),
        (shown("R1", "0.00"),),
        (shown("R1", "-1.00"),),
        (shown("R1", "0.0000001"),),
        (shown("R1", "1e30"),),
        (shown("R1", "1.00", **{"1": -1}),),
    ],
)
def test_refunds_no_store_can_keep_set_only_their_order_aside(
    world: World, shop: Channel, wrong: tuple[Refunded, ...]
) -> None:
    world.take(shop, edited(sold("2"), refunds=wrong), sold("3"))
    assert world.value("SELECT number FROM quarantine") == "2"
    assert world.counts("3")["ordered"] == 3


def test_ship_part_refund_part_cancel_the_rest(world: World, shop: Channel) -> None:
    """Three facts apart: what left stays gone, money moves no unit, only the rest is free again."""
    world.ship("1", A=1)
    give(world, parts=units(A=1))
    cancel(world.store, Decision(world.order("1").id, CancelReason.BUYER), world.now)
    connector(shop).answer = numbered("R1")
    assert push(world, shop) == 1
    assert push_cancellations(world.store, shop, world.clock) == 1
    assert dict(connector(shop).cancelled[0].lines) == {"1": 2, "2": 1}
    lines = (
        line(1, "A", 3, unit_price=D("10.00"), tax=D("1.00"), shipped=1, cancelled=2),
        line(2, "B", 1, unit_price=D("7.50"), cancelled=1),
    )
    packages = (Package(tracking="T1", lines={"1": 1}),)
    world.take(shop, edited(sold(), lines=lines, packages=packages, refunds=(shown("R1", "10.33"),)))
    assert world.counts("1") == {"ordered": 3, "cancelled": 2, "shipped": 1}
    assert (world.stock("A"), world.stock("B")) == ((8, 0), (9, 0))
    assert set(pushes(world)) == {"confirmed"}
    assert quote(world.store, wish(world, parts=units(A=1))).refunded == D("10.33")
