"""The far end of a channel as it would be: it keeps its orders, and what it is told changes what it shows of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from core.connector import Ability
from core.errors import Unavailable
from core.model import Ack, AckState, Cancellation, Line, Order, Package, Refund, Refunded, Shipment, Voiding, instant
from tests.core.sync.fake import SIMPLE, Fake, body
from tests.core.sync.world import SECOND, START

ABLE = SIMPLE | {Ability.CANCEL, Ability.REFUND, Ability.CORRECT_TRACKING, Ability.VOID_TRACKING}


def open_units(line: Line) -> int:
    return line.ordered - line.cancelled - line.shipped


def cost(order: Order) -> Decimal:
    """What the buyer pays for the lines as they are now."""
    return sum((line.unit_price * line.ordered for line in order.lines), Decimal(0)) + order.shipping


@dataclass
class Far(Fake):
    """`told` has every version an order ever had, the last of which is how it stands.

    `mood` decides how it answers: well; away (nothing arrives); deaf (it does as told, and the answer is lost); or it
    refuses.
    """

    abilities: frozenset[Ability] = ABLE
    told: dict[str, list[Order]] = field(default_factory=dict)
    mood: str = "well"
    reopened: set[tuple[str, str]] = field(default_factory=set)
    """Lines, by order, of which the channel wants again what was cancelled of them."""
    parcels: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By key: the order's number and the tracking number it is shown by."""
    given: dict[str, str] = field(default_factory=dict)
    """The number each refund became, by key."""

    def now(self, number: str) -> Order:
        return self.told[number][-1]

    def begin(self, order: Order) -> None:
        self._show(msgspec.structs.replace(order, total=cost(order)))

    def change(self, number: str, **changes: Any) -> Order:
        """The next version of an order."""
        was = self.now(number)
        new = msgspec.structs.replace(was, **({"version": was.version + SECOND} | changes))
        self._show(msgspec.structs.replace(new, total=cost(new)))
        return self.now(number)

    def change_line(self, number: str, of: str, **changes: Any) -> Order:
        lines = self.now(number).lines
        return self.change(
            number, lines=tuple(msgspec.structs.replace(one, **changes) if one.number == of else one for one in lines)
        )

    def _show(self, order: Order) -> None:
        self.told.setdefault(order.number, []).append(order)
        self.orders[order.number] = body(order)

    def push_tracking(self, shipments: Sequence[Shipment]) -> Iterator[Ack]:
        yield from self._answered([(one.key, self._parcel, one) for one in shipments])

    def push_voids(self, voids: Sequence[Voiding]) -> Iterator[Ack]:
        yield from self._answered([(one.key, self._void, one) for one in voids])

    def push_cancellations(self, cancellations: Sequence[Cancellation]) -> Iterator[Ack]:
        yield from self._answered([(one.key, self._cancel, one) for one in cancellations])

    def push_refunds(self, refunds: Sequence[Refund]) -> Iterator[Ack]:
        yield from self._answered([(one.key, self._give, one) for one in refunds])

    def _answered(self, asked: Sequence[tuple[str, Any, Any]]) -> Iterator[Ack]:
        self._called("push")
        if self.mood == "away":
            raise Unavailable("it does not answer")
        for key, do, what in asked:
            ticket = None if self.mood == "refuses" else do(what)
            if self.mood == "deaf":
                raise Unavailable("no answer came", ambiguous=True)
            if ticket is None:
                yield Ack(key=key, state=AckState.REFUSED, reason="it will not have it; look there")
            else:
                yield Ack(key=key, state=AckState.APPLIED, ticket=ticket)

    def _parcel(self, one: Shipment) -> str | None:
        order = self.now(one.order)
        if one.key in self.parcels:
            was = self.parcels[one.key][1]
            packages = tuple(
                msgspec.structs.replace(each, tracking=one.tracking) if each.tracking == was else each
                for each in order.packages
            )
            if was != one.tracking:
                self.change(one.order, packages=packages)
        else:
            there = {line.number: line for line in order.lines}
            if any(number not in there or open_units(there[number]) < units for number, units in one.lines.items()):
                return None
            self.change(
                one.order,
                lines=tuple(
                    msgspec.structs.replace(line, shipped=line.shipped + one.lines.get(line.number, 0))
                    for line in order.lines
                ),
                packages=(*order.packages, Package(tracking=one.tracking, carrier=one.carrier, lines=one.lines)),
            )
        self.parcels[one.key] = one.order, one.tracking
        return ""

    def _void(self, one: Voiding) -> str:
        number, tracking = self.parcels.pop(one.told, (one.order, ""))
        if tracking:
            order = self.now(number)
            self.change(
                number,
                lines=tuple(
                    msgspec.structs.replace(line, shipped=line.shipped - one.lines.get(line.number, 0))
                    for line in order.lines
                ),
                packages=tuple(each for each in order.packages if each.tracking != tracking),
            )
        return ""

    def _cancel(self, one: Cancellation) -> str | None:
        order = self.now(one.order)
        lines = []
        for line in order.lines:
            units = one.lines.get(line.number, 0)
            more = max(0, min(units, one.before.get(line.number, 0) + units - line.cancelled))
            if more > open_units(line):
                return None
            lines.append(msgspec.structs.replace(line, cancelled=line.cancelled + more))
        if not set(one.lines) <= {line.number for line in lines}:
            return None
        if tuple(lines) != order.lines:
            self.change(one.order, lines=tuple(lines))
        return ""

    def _give(self, one: Refund) -> str:
        if one.key not in self.given:
            amount = one.shipping + sum((line.amount + line.tax for line in one.lines.values()), Decimal(0))
            units = {number: line.quantity for number, line in one.lines.items() if line.quantity}
            self.given[one.key] = self.give_back(one.order, amount, units)
        return self.given[one.key]

    def give_back(self, number: str, amount: Decimal, units: dict[str, int]) -> str:
        order = self.now(number)
        new = f"{number}-R{len(order.refunds) + 1}"
        at = instant(START + len(order.refunds) * SECOND)
        self.change(number, refunds=(*order.refunds, Refunded(number=new, at=at, amount=amount, lines=units)))
        return new
