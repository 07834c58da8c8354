"""What all checks share: what a suite may say about its channel, and the words they are written in."""

from __future__ import annotations

import functools
import unittest
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar, TypeVar

import msgspec

from core.conformance.far_end import Failure, FarEnd
from core.connector import Ability, Connector
from core.errors import BadDocument
from core.model import (
    ZERO,
    Ack,
    AckState,
    Cancellation,
    CancelReason,
    Level,
    LevelKey,
    Observation,
    Order,
    Page,
    Refund,
    RefundLine,
    RefundReason,
    Shipment,
    Voiding,
)

Suite = TypeVar("Suite", bound="Given")
Check = Callable[[Suite, Connector, FarEnd], None]

ENDLESS = 1000
"""Pages after which a pull counts as one that never ends."""


def must(holds: bool, otherwise: str) -> None:
    """Raises `AssertionError` with what was promised and what came."""
    if not holds:
        raise AssertionError(otherwise)


def needs(*abilities: Ability) -> Callable[[Check[Suite]], Check[Suite]]:
    """The check is about these abilities: one declared absent leaves nothing to prove."""

    def wrap(check: Check[Suite]) -> Check[Suite]:
        @functools.wraps(check)
        def checked(self: Suite, connector: Connector, far_end: FarEnd) -> None:
            if connector.abilities.issuperset(abilities):
                check(self, connector, far_end)

        checked.needs = abilities  # type: ignore[attr-defined]  # what a matrix of abilities reads
        return checked

    return wrap


def corrected(parcel: Shipment) -> Shipment:
    """The same parcel with another tracking number in place of the one it had."""
    return msgspec.structs.replace(parcel, tracking=f"1Z999AA2{parcel.serial:010d}", corrects=parcel.tracking)


@contextmanager
def failing(far_end: FarEnd, how: Failure) -> Iterator[None]:
    """The far end fails so inside. Where it cannot be told to, the test is skipped."""
    if not far_end.fail(how):
        raise unittest.SkipTest(f"the far end cannot be told to have the failure {how.value!r}")
    try:
        yield
    finally:
        far_end.fail(None)


class Given:
    """What a suite may say about its connector and channel, beside its two fixtures."""

    plenty: ClassVar[int] = 7
    """So many orders fill at least three pages; make the connector's pages small, or this large."""

    many_lines: ClassVar[int] = 12
    """Lines of a long order: where the channel pages an order's lines, more than one page of them."""

    out_of_order: ClassVar[str] = ""
    """Why this channel cannot yield the oldest change first, where it cannot; then that is not tested."""

    unknown_number: ClassVar[str] = "999-9999999-9999999"
    """An order number the channel could have and does not know."""

    unknown_handle: ClassVar[str] = ""
    """The handle of a listing the channel does not know (any more)."""

    unknown_place: ClassVar[str] = "nowhere"
    """The id of a location the channel could have and does not know."""

    full_batch: ClassVar[int] = 50
    """Levels, or orders to acknowledge, that fill one request to the channel; many where it takes one at a time."""

    states: ClassVar[tuple[str, ...]] = ()
    """The places of a document that say whether its order may ship, as `$.payment.status` or `$.lines[0].status`."""

    carrier: ClassVar[str] = "UPS"

    only_whole: ClassVar[str] = ""
    """Why this channel cancels whole orders and nothing less, where it does; then less has to be refused."""

    def again(self, connector: Connector) -> Connector:
        """Another instance for the same account, as after a restart. Override it where the two are kept elsewhere."""
        kept: Any = connector
        return type(connector)(kept.name, kept.settings)

    def unknown_handles(self, count: int) -> list[str]:
        """So many of `unknown_handle`. Override it where a channel's batch takes each handle once."""
        return [self.unknown_handle] * count

    # The words the checks are written in.

    def placed(self, far_end: FarEnd, count: int) -> list[str]:
        """So many two-line orders, visible to the connector."""
        first, second = far_end.skus[:2]
        numbers = [far_end.place([(first, 2), (second, 1)]) for _ in range(count)]
        far_end.let_time_pass()
        return numbers

    def pull(self, connector: Connector, cursor: str | None = None, *, since: datetime | None = None) -> list[Page]:
        """All pages of one pull."""
        pages = []
        for page in connector.pages(cursor, since=since):
            pages.append(page)
            must(len(pages) < ENDLESS, f"a pull ends; this one has yielded {ENDLESS} pages")
        return pages

    def seen(self, connector: Connector, pages: Iterable[Page]) -> dict[str, int]:
        """The newest version of each order that the pages show."""
        newest: dict[str, int] = {}
        for page in pages:
            for observation in page.observations:
                version = self.order(connector, observation).version
                newest[observation.number] = max(version, newest.get(observation.number, version))
        return newest

    def order(self, connector: Connector, observation: Observation) -> Order:
        """The order of a document that an ordinary order at the far end gave."""
        try:
            return connector.normalize(observation.body)
        except BadDocument as error:
            raise AssertionError(f"an ordinary order is no bad document; {observation.number}: {error}") from error

    def fetched(self, connector: Connector, number: str) -> Order:
        return self.order(connector, connector.fetch(number))

    def ready(self, connector: Connector, far_end: FarEnd, count: int, units: int = 2) -> list[Order]:
        """So many orders of so many units of one SKU each, acknowledged where the channel wants that."""
        numbers = [far_end.place([(far_end.skus[0], units)]) for _ in range(count)]
        far_end.let_time_pass()
        if Ability.ACKNOWLEDGE in connector.abilities:
            self.settled(connector, far_end, connector.acknowledge(numbers))
        return [self.fetched(connector, number) for number in numbers]

    def ready_of_two(self, connector: Connector, far_end: FarEnd) -> Order:
        """An order of two lines, acknowledged where the channel wants that."""
        number = self.placed(far_end, 1)[0]
        if Ability.ACKNOWLEDGE in connector.abilities:
            self.settled(connector, far_end, connector.acknowledge([number]))
        order = self.fetched(connector, number)
        must(len(order.lines) == 2, f"an order of two lines has two; it has {len(order.lines)}")
        return order

    def keys_of(self, connector: Connector, far_end: FarEnd) -> list[LevelKey]:
        """Every level on offer, to be read."""
        levels = self.levels_of(connector, far_end, 0)
        return [LevelKey(key=one.key, sku=one.sku, handle=one.handle, place=one.place) for one in levels]

    def parcel(self, far_end: FarEnd, order: Order, serial: int = 1, units: int | None = None) -> Shipment:
        """One parcel with so many units (None: all) of the order's first line."""
        line = order.lines[0]
        return Shipment(
            key=f"parcel-{serial}",
            serial=serial,
            order=order.number,
            lines={line.number: line.ordered if units is None else units},
            carrier=self.carrier,
            tracking=f"1Z999AA1{serial:010d}",
            shipped_at=datetime.now(UTC),
            place=line.place or far_end.places[0],
        )

    def told(
        self, connector: Connector, far_end: FarEnd, count: int, *, units: int = 1, each: int = 1
    ) -> list[tuple[Shipment, Ack]]:
        """So many orders of three units, and of each so many parcels the channel was told of, with its answers."""
        orders = self.ready(connector, far_end, count, units=3)
        parcels = [
            self.parcel(far_end, order, serial, units=units)
            for serial, order in enumerate((order for order in orders for _ in range(each)), start=601)
        ]
        told = []
        for parcel in parcels:
            acks = self.settled(connector, far_end, connector.push_tracking([parcel]))
            self.applied(acks)
            told.append((parcel, acks[parcel.key]))
        far_end.let_time_pass()
        return told

    def void(self, parcel: Shipment, ack: Ack | None = None) -> Voiding:
        """A parcel that was told never left; `ack` is what the channel answered when it was."""
        return Voiding(
            key=f"void-{parcel.serial}",
            order=parcel.order,
            told=parcel.key,
            numbers=(parcel.tracking,),
            lines=parcel.lines,
            tickets=(ack.ticket,) if ack and ack.ticket else (),
        )

    def sold(self, connector: Connector, far_end: FarEnd, count: int, units: int = 2) -> list[Order]:
        """So many orders as `ready` makes them, shipped whole where that can be told."""
        orders = self.ready(connector, far_end, count, units)
        if Ability.PUSH_TRACKING in connector.abilities:
            parcels = [self.parcel(far_end, order, serial) for serial, order in enumerate(orders, start=501)]
            self.applied(self.settled(connector, far_end, connector.push_tracking(parcels)))
            far_end.let_time_pass()
        return [self.fetched(connector, order.number) for order in orders]

    def cancellation(
        self, order: Order, serial: int = 1, units: int | None = None, reason: CancelReason = CancelReason.OTHER
    ) -> Cancellation:
        """Cancels so many units (None: all that are open) of the order's first line, as the order shows it."""
        line = order.lines[0]
        rest = line.ordered - line.cancelled - line.shipped
        wanted = rest if units is None else units
        return Cancellation(
            key=f"cancel-{serial}",
            order=order.number,
            lines={line.number: wanted},
            before={line.number: line.cancelled},
            reason=reason,
            whole=wanted == rest and not any(one.shipped for one in order.lines),
        )

    def refund(
        self,
        order: Order,
        serial: int = 1,
        *,
        units: int = 1,
        amount: Decimal | None = None,
        tax: Decimal | None = None,
        shipping: Decimal = ZERO,
        reason: RefundReason = RefundReason.RETURNED,
    ) -> Refund:
        """Gives back so many units of the order's first line, at their price and tax unless said otherwise."""
        line = order.lines[0]
        share = round(line.tax * units / line.ordered, 2)
        row = RefundLine(
            quantity=units,
            amount=line.unit_price * units if amount is None else amount,
            tax=share if tax is None else tax,
        )
        return Refund(
            key=f"refund-{serial}",
            order=order.number,
            lines={line.number: row} if row.amount or row.tax else {},
            currency=order.currency,
            shipping=shipping,
            reason=reason,
            known=tuple(known.number for known in order.refunds),
        )

    def levels_of(
        self,
        connector: Connector,
        far_end: FarEnd,
        quantity: int,
        *,
        skus: Sequence[str] | None = None,
        revision: int = 1,
    ) -> list[Level]:
        """This quantity for each SKU (None: all) at each place that holds it."""
        handles = {}
        if Ability.LISTINGS in connector.abilities:
            handles = {listing.sku: listing.handle for listing in connector.listings()}
        wanted = set(far_end.skus if skus is None else skus)
        return [
            Level(
                key=f"{sku}@{place}",
                sku=sku,
                handle=handles.get(sku, ""),
                place=place,
                quantity=quantity,
                revision=revision,
            )
            for sku, place in sorted(far_end.levels())
            if sku in wanted
        ]

    def settled(self, connector: Connector, far_end: FarEnd, acks: Iterable[Ack]) -> dict[str, Ack]:
        """The last answer for each key, those that were only accepted settled."""
        final = {ack.key: ack for ack in acks}
        for _ in range(20):
            pending = {key: ack.ticket for key, ack in final.items() if ack.state is AckState.ACCEPTED}
            if not pending:
                return final
            far_end.let_time_pass()
            final.update({ack.key: ack for ack in connector.settle(pending) if ack.key in pending})
        raise AssertionError(f"accepted pushes reach an end; these never did: {sorted(pending)}")

    def one_ack_each(self, acks: Iterable[Ack], keys: Sequence[str]) -> None:
        """Exactly one ack for each key, and none for anything else."""
        found = Counter(ack.key for ack in acks)
        must(
            found == Counter(keys), f"each key gets exactly one ack; of {sorted(keys)} came {sorted(found.elements())}"
        )

    def applied(self, acks: dict[str, Ack]) -> None:
        for ack in acks.values():
            must(ack.state is AckState.APPLIED, f"the channel takes {ack.key}; the ack says {ack.state}: {ack.reason}")

    def refused(self, ack: Ack | None, what: str) -> None:
        """Refused, with a reason that ends in what to do: what is wrong, a mark, then at least two words more."""
        must(ack is not None and ack.state is AckState.REFUSED, f"{what} is refused; the ack is {ack}")
        reason = ack.reason if ack else ""
        wrong, mark, cure = reason.rpartition(";")
        must(
            bool(mark and wrong.strip()) and len(cure.split()) >= 2,
            f"a refusal's reason reads 'what is wrong; what to do'; {what} was refused with {reason!r}",
        )
