"""Documents: what the channel's own orders become."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from decimal import Decimal

from core.conformance.far_end import Failure, FarEnd
from core.conformance.given import Given, must
from core.connector import Ability, Connector
from core.errors import ChannelError, NotFound
from core.model import MAX_QUANTITY, Fulfiller, Hold, Order, money_off


class Documents(Given):
    def test_a_document_becomes_the_order_it_is_of(self, connector: Connector, far_end: FarEnd) -> None:
        number = self.placed(far_end, 1)[0]
        far_end.cancel(number, sku=far_end.skus[0], quantity=1)
        far_end.let_time_pass()
        order, truth = self.fetched(connector, number), far_end.truths()[number]
        must(order.number == number, f"an order keeps its channel's number; {number} became {order.number}")
        for what, counts in (("ordered", truth.ordered), ("cancelled", truth.cancelled), ("shipped", truth.shipped)):
            units: dict[str, int] = {}
            for line in order.lines:
                units[line.sku] = units.get(line.sku, 0) + getattr(line, what)
            told = {sku: count for sku, count in counts.items() if count}
            came = {sku: count for sku, count in units.items() if count}
            must(came == told, f"the units {what} are the channel's; of {told} became {came}")

    def test_an_order_keeps_the_models_promises(self, connector: Connector, far_end: FarEnd) -> None:
        number = self.placed(far_end, 1)[0]
        found = flaws(self.fetched(connector, number))
        must(not found, f"an order keeps what core.model promises; {number} does not: {'; '.join(found)}")

    def test_an_order_says_where_it_goes(self, connector: Connector, far_end: FarEnd) -> None:
        order = self.fetched(connector, self.placed(far_end, 1)[0])
        there = order.ship_to
        parts = [getattr(there, name) for name in ("name", "line1", "city", "postal_code")] if there else []
        # What stands there is a buyer's, so it is counted and not shown.
        whole = len(parts) == len(set(filter(None, parts))) and bool(parts)
        must(whole, "an ordinary order has a name, a street, a city and a postal code, each its own")

    def test_the_amounts_add_up(self, connector: Connector, far_end: FarEnd) -> None:
        off = money_off(self.fetched(connector, self.placed(far_end, 1)[0]))
        must(off == 0, f"lines, shipping and taxes less discounts are the total; this order misses it by {off}")

    def test_normalizing_is_pure(self, connector: Connector, far_end: FarEnd) -> None:
        body = connector.fetch(self.placed(far_end, 1)[0]).body
        once, twice = connector.normalize(body), connector.normalize(body)
        must(once == twice, "the same document gives the same order; a second time it gave another")
        other = self.again(connector)
        able = far_end.fail(Failure.UNAVAILABLE)
        try:
            must(once == other.normalize(body), "the same document gives the same order; a fresh instance gave another")
        except ChannelError as error:
            raise AssertionError(
                f"normalizing asks nobody; while the channel was away it failed with {error!r}"
            ) from error
        finally:
            if able:
                far_end.fail(None)
            other.close()

    def test_every_change_raises_the_version(self, connector: Connector, far_end: FarEnd) -> None:
        order = self.ready(connector, far_end, 1)[0]
        versions = [order.version]
        far_end.cancel(order.number, sku=far_end.skus[0], quantity=1)
        far_end.let_time_pass()
        versions.append(self.fetched(connector, order.number).version)
        if Ability.PUSH_TRACKING in connector.abilities:
            self.settled(connector, far_end, connector.push_tracking([self.parcel(far_end, order, units=1)]))
            far_end.let_time_pass()
            versions.append(self.fetched(connector, order.number).version)
        must(versions == sorted(set(versions)), f"the version grows with every change; it went {versions}")

    def test_fetching_tells_what_the_pages_tell(self, connector: Connector, far_end: FarEnd) -> None:
        self.placed(far_end, 2)
        for page in self.pull(connector):
            for one in page.observations:
                again = connector.fetch(one.number)
                must(
                    again.number == one.number,
                    f"fetch answers with the order asked for, {one.number}; it gave {again.number}",
                )
                paged, fetched = self.order(connector, one), self.order(connector, again)
                must(
                    paged == fetched,
                    f"an unchanged order is the same by fetch and by pages; {one.number} is not: "
                    f"{_difference(paged, fetched)}",
                )

    def test_an_unknown_order_is_not_found(self, connector: Connector, far_end: FarEnd) -> None:
        try:
            came: object = connector.fetch(self.unknown_number)
        except NotFound:
            return
        except ChannelError as error:
            came = repr(error)
        raise AssertionError(f"fetching an order the channel does not know raises NotFound; it gave {came}")


def flaws(order: Order) -> list[str]:
    """Where an order breaks what `core.model` says of it."""
    found = []
    if not order.number:
        found.append("number is empty")
    if type(order.version) is not int:
        found.append("version is no integer")
    for name in ("placed_at", "ship_by", "deliver_by"):
        instant = getattr(order, name)
        if instant is None and name != "placed_at":
            continue
        if not isinstance(instant, datetime) or instant.utcoffset() != timedelta(0):
            found.append(f"{name} is no instant in UTC")
    if not re.fullmatch("[A-Z]{3}", order.currency):
        found.append("currency is no ISO 4217 code")
    amounts = ["total", "shipping", "shipping_tax", "discount", "adjustment", "presentment_total"]
    found += [f"{name} is no finite Decimal" for name in amounts if not _money(getattr(order, name))]
    if not all(isinstance(hold, Hold) for hold in order.holds):
        found.append("a hold is no Hold")
    if not isinstance(order.fulfiller, Fulfiller):
        found.append("fulfiller is no Fulfiller")
    numbers = [line.number for line in order.lines]
    if len(set(numbers)) < len(numbers) or not all(numbers):
        found.append("line numbers are empty or repeated")
    for line in order.lines:
        where = f"line {line.number}: "
        counts = {name: getattr(line, name) for name in ("ordered", "cancelled", "shipped")}
        found += [f"{where}{name} is no quantity" for name, count in counts.items() if not _quantity(count)]
        found += [
            f"{where}{name} is no finite Decimal"
            for name in ("unit_price", "tax", "discount")
            if not _money(getattr(line, name))
        ]
        if all(map(_quantity, counts.values())) and line.ordered < line.cancelled + line.shipped:
            found.append(f"{where}more cancelled and shipped than ordered")
    found += [
        f"the parcel's line {number} holds no quantity"
        for package in order.packages
        for number, count in package.lines.items()
        if not _quantity(count)
    ]
    numbers = [refund.number for refund in order.refunds]
    if len(set(numbers)) < len(numbers) or not all(numbers):
        found.append("refund numbers are empty or repeated")
    for refund in order.refunds:
        where = f"refund {refund.number}: "
        if refund.at.utcoffset() != timedelta(0):
            found.append(f"{where}at is no instant in UTC")
        if not _money(refund.amount) or refund.amount <= 0:
            found.append(f"{where}amount is no positive Decimal")
        found += [
            f"{where}line {line} holds no quantity" for line, count in refund.lines.items() if not _quantity(count)
        ]
    return found


def _quantity(value: object) -> bool:
    return type(value) is int and 0 <= value <= MAX_QUANTITY


def _money(value: object) -> bool:
    return isinstance(value, Decimal) and value.is_finite()


def _difference(one: Order, other: Order) -> str:
    """The names of the fields that differ; not their values, which may be a buyer's."""
    return ", ".join(name for name in one.__struct_fields__ if getattr(one, name) != getattr(other, name))
