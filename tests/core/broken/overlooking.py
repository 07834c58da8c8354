"""Connectors that see the first of two, or only what is plain: lines, listings, outages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from msgspec.structs import replace

from connectors.sandbox import Sandbox
from core.errors import Unavailable
from core.model import (
    Ack,
    AckState,
    Cancellation,
    ChannelLevel,
    ChannelListing,
    LevelKey,
    Line,
    Order,
    Refund,
    Shipment,
)
from tests.core.broken import breaks

Acks = Iterator[Ack]


def first(lines: Mapping[str, object]) -> dict[str, object]:
    return dict(islice(lines.items(), 1))


@breaks("test_an_order_is_yielded_whole")
class MakesLinesOfOneSkuOne(Sandbox):
    def normalize(self, body: bytes) -> Order:
        order = super().normalize(body)
        lines: dict[str, Line] = {}
        for line in order.lines:
            known = lines.get(line.sku)
            lines[line.sku] = replace(known, ordered=known.ordered + line.ordered) if known else line
        return replace(order, lines=tuple(lines.values()))


@breaks("test_a_parcel_of_two_lines_ships_both")
class TellsAParcelsFirstLine(Sandbox):
    def push_tracking(self, shipments: Sequence[Shipment]) -> Acks:
        return super().push_tracking([replace(one, lines=first(one.lines)) for one in shipments])


@breaks("test_every_line_of_a_cancellation_is_cancelled")
class TellsACancellationsFirstLine(Sandbox):
    def push_cancellations(self, cancellations: Sequence[Cancellation]) -> Acks:
        return super().push_cancellations([replace(one, lines=first(one.lines)) for one in cancellations])


@breaks("test_a_refund_of_two_lines_gives_both")
class TellsARefundsFirstLine(Sandbox):
    def push_refunds(self, refunds: Sequence[Refund]) -> Acks:
        return super().push_refunds([replace(one, lines=first(one.lines)) for one in refunds])


@breaks("test_a_listing_that_is_sold_out_is_still_told")
class ListsWhatIsInStock(Sandbox):
    def listings(self) -> Iterator[ChannelListing]:
        return (one for one in super().listings() if any(one.quantities.values()))


@breaks("test_reading_in_an_outage_is_unavailable")
class TakesAnOutageForNoLevels(Sandbox):
    def read_levels(self, keys: Sequence[LevelKey]) -> Iterator[ChannelLevel]:
        try:
            yield from super().read_levels(keys)
        except Unavailable as error:
            if "503" not in str(error):
                raise


@breaks("test_settling_in_an_outage_ends_nothing", asynchronous=True)
class TakesAnOutageForALostFeed(Sandbox):
    def settle(self, pending: Mapping[str, str]) -> Acks:
        try:
            yield from super().settle(pending)
        except Unavailable:
            for key in pending:
                yield Ack(key=key, state=AckState.RETRY, reason="the feed is away; it is sent again")


@breaks("test_settling_in_an_outage_ends_nothing", asynchronous=True)
class SettlesNothingInAnOutage(Sandbox):
    def settle(self, pending: Mapping[str, str]) -> Acks:
        try:
            yield from super().settle(pending)
        except Unavailable as error:
            if "503" not in str(error):
                raise
