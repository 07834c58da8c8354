"""Connectors that break a promise about documents and the orders they become."""

from __future__ import annotations

from datetime import timedelta, timezone
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from connectors.sandbox import Sandbox
from core.errors import BadDocument, NotFound, Rejected
from core.model import Observation, Order, micros
from tests.core.broken import breaks


@breaks("test_a_document_becomes_the_order_it_is_of")
class OverlooksCancelledUnits(Sandbox):
    def normalize(self, body: bytes) -> Order:
        order = super().normalize(body)
        if len(order.lines) == 1:
            return order
        return replace(order, lines=tuple(replace(line, cancelled=0) for line in order.lines))


@breaks("test_an_order_keeps_the_models_promises")
class KeepsTheChannelsTimeZone(Sandbox):
    def normalize(self, body: bytes) -> Order:
        order = super().normalize(body)
        return replace(order, placed_at=order.placed_at.astimezone(timezone(timedelta(hours=9))))


@breaks("test_an_order_keeps_the_models_promises")
class KeepsTheChannelsCurrencyName(Sandbox):
    def normalize(self, body: bytes) -> Order:
        order = super().normalize(body)
        return replace(order, currency="dollars") if len(order.lines) > 1 and not order.packages else order


@breaks("test_an_order_keeps_the_models_promises")
class TellsMoneyAsAFloat(Sandbox):
    def normalize(self, body: bytes) -> Order:
        return replace(super().normalize(body), presentment_total=0.0)


@breaks("test_an_order_says_where_it_goes")
class TakesTheCityForTheStreet(Sandbox):
    def normalize(self, body: bytes) -> Order:
        order = super().normalize(body)
        return replace(order, ship_to=order.ship_to and replace(order.ship_to, line1=order.ship_to.city))


@breaks("test_an_order_says_where_it_goes")
class OverlooksTheAddress(Sandbox):
    def normalize(self, body: bytes) -> Order:
        return replace(super().normalize(body), ship_to=None)


@breaks("test_the_amounts_add_up")
class MissesACent(Sandbox):
    def normalize(self, body: bytes) -> Order:
        order = super().normalize(body)
        return replace(order, total=order.total + Decimal("0.01"))


@breaks("test_any_document_gives_a_sound_order_or_is_a_bad_document")
class FailsOnNothing(Sandbox):
    def normalize(self, body: bytes) -> Order:
        if not body:
            raise KeyError("number")
        return super().normalize(body)


@breaks("test_any_document_gives_a_sound_order_or_is_a_bad_document")
class TakesAnyQuantity(Sandbox):
    def normalize(self, body: bytes) -> Order:
        try:
            return super().normalize(body)
        except BadDocument as error:
            if "<= 2147483647" not in str(error):
                raise
            order = super().normalize(body.replace(b"2147483648", b"2"))
            return replace(order, lines=tuple(replace(line, ordered=2**31) for line in order.lines))


@breaks("test_no_text_of_an_order_holds_a_nul")
class KeepsNul(Sandbox):
    def normalize(self, body: bytes) -> Order:
        order = super().normalize(body)
        return replace(order, name=order.name.replace("\ufffd", "\0"))


@breaks("test_a_bad_document_says_where_and_quotes_no_buyer")
class QuotesTheDocument(Sandbox):
    def normalize(self, body: bytes) -> Order:
        try:
            return super().normalize(body)
        except BadDocument as error:
            raise BadDocument(f"{error} in {body!r}") from None


@breaks("test_a_bad_document_says_where_and_quotes_no_buyer")
class SaysNothing(Sandbox):
    def normalize(self, body: bytes) -> Order:
        try:
            return super().normalize(body)
        except BadDocument:
            raise BadDocument("") from None


@breaks("test_normalizing_is_pure")
class AsksWhileItNormalizes(Sandbox):
    def normalize(self, body: bytes) -> Order:
        list(self.listings())
        return super().normalize(body)


@breaks("test_normalizing_is_pure")
class PutsItselfIntoTheOrder(Sandbox):
    def __init__(self, name: str, settings: Any) -> None:
        super().__init__(name, settings)
        self.mark = object()

    def normalize(self, body: bytes) -> Order:
        return replace(super().normalize(body), service=repr(self.mark))


@breaks("test_every_change_raises_the_version")
class FallsBackOnceShipped(Sandbox):
    def normalize(self, body: bytes) -> Order:
        order = super().normalize(body)
        return replace(order, version=micros(order.placed_at)) if order.packages else order


@breaks("test_fetching_tells_what_the_pages_tell")
class FetchesAnotherStatus(Sandbox):
    def fetch(self, number: str) -> Observation:
        one = super().fetch(number)
        another = one.body.replace(b'"status":"open"', b'"status":"pending"')
        return replace(one, body=another) if number == "S-1002" else one


@breaks("test_an_unknown_order_is_not_found")
class CallsTheUnknownWrong(Sandbox):
    def fetch(self, number: str) -> Observation:
        try:
            return super().fetch(number)
        except NotFound as error:
            raise Rejected(str(error), status=404) from None
