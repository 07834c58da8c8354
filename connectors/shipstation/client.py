"""The connector: orders created, looked at and deleted in ShipStation, and its labels read as parcels."""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final, Protocol, TypeVar

import httpx
import msgspec

from connectors.shipstation import events, times
from connectors.shipstation.events import Found
from connectors.shipstation.orders import lacks, line_of, request
from connectors.shipstation.settings import ShipStationSettings
from core import http
from core.budgets import Budget, Reading
from core.credentials import Keeper, Memory
from core.errors import NotFound, Rejected, Unavailable, in_doubt
from core.handover import Event, NoticePage, Recall, WorkOrder
from core.model import Ack, AckState
from core.warehouse import Deed

PRODUCTION: Final = "https://ssapi.shipstation.com"

OPEN: Final = ("awaiting_payment", "awaiting_shipment", "on_hold")
"""States in which nobody has made a label of an order yet."""

OVERLAP: Final = timedelta(minutes=15)
"""By how much the list of labels reaches back behind the last: it may lag."""

KEEP: Final = OVERLAP + timedelta(hours=2)
"""So long it is remembered which labels were told: as far back as they may be listed again."""

T = TypeVar("T")


class Order(msgspec.Struct, rename="camel"):
    """An order as ShipStation lists it. A part that was split off is one of its own, and names its parent."""

    order_id: int
    order_status: str
    order_key: str | None = None
    items: list[events.Item] | None = None
    advanced_options: Options | None = None


class Options(msgspec.Struct, rename="camel"):
    merged_or_split: bool | None = None
    parent_id: int | None = None


class Orders(msgspec.Struct):
    orders: list[Order]
    page: int
    pages: int

    @property
    def rows(self) -> list[Order]:
        return self.orders


class Created(msgspec.Struct, rename="camel"):
    order_id: int
    order_key: str


class Deleted(msgspec.Struct):
    success: bool


class Cursor(msgspec.Struct):
    """How far the reading has come."""

    since: datetime
    """Labels made until then were all looked at."""
    told: dict[str, datetime] = {}
    """Labels and voids behind it that may be listed again, and when they were made."""


class ShipStation:
    """One account."""

    Settings: ClassVar[type[ShipStationSettings]] = ShipStationSettings
    abilities: ClassVar[frozenset[Deed]] = frozenset({Deed.RELEASE, Deed.RECALL, Deed.TELLS_LEFT})
    absent: ClassVar[Mapping[Deed, str]] = {
        Deed.RECALL_UNITS: "ShipStation deletes whole orders; a smaller one would overwrite what people did there",
        Deed.TELLS_ACCEPTED: "an order there has no state for being worked on",
        Deed.TELLS_DECLINED: "people there have no way to decline an order and say why; cancel or reroute it here",
        Deed.TELLS_COUNTED: "the v1 API does not show what lies on shelves",
        Deed.TELLS_ADJUSTED: "the v1 API does not show what came to or left shelves",
        Deed.CALLS: "ShipStation's webhooks are not signed and hold an address to ask, no event; it is asked",
    }

    def __init__(self, name: str, settings: ShipStationSettings, keeper: Keeper | None = None) -> None:
        self.name = name
        self.settings = settings
        self._keeper = keeper or Memory()
        self._base = settings.base_url or PRODUCTION
        self._http: httpx.Client | None = None

    @property
    def _client(self) -> httpx.Client:
        if self._http is None:
            count = self.settings.requests_per_minute
            self._http = http.client(
                self.name,
                authorise=self._authorise,
                operation=lambda request: "any",  # the limit is of the key, whatever is asked
                budgets=self._keeper.budgets.plan({"any": Budget(count / 60, count)}),
                reading=reading,
                cure="make a new key there, and renew api_key and api_secret",
            )
        return self._http

    def _authorise(self, request: httpx.Request, fresh: bool) -> None:
        key, secret = self.settings.api_key.get_secret_value(), self.settings.api_secret.get_secret_value()
        request.headers["Authorization"] = f"Basic {base64.b64encode(f'{key}:{secret}'.encode()).decode()}"

    def release(self, orders: Sequence[WorkOrder]) -> Iterator[Ack]:
        """One order for each. It is looked first whether it is there: a second createorder would overwrite it."""
        for order in orders:
            missing = lacks(order)
            if missing:
                yield Ack(key=order.key, state=AckState.REFUSED, reason=missing)
                continue
            with in_doubt([order.key]):
                ack = self._hand_over(order)
            yield ack

    def _hand_over(self, order: WorkOrder) -> Ack:
        there = self._parts(order.key)
        if there:
            if all(part.order_status == "cancelled" for part in there):
                return Ack(key=order.key, state=AckState.REFUSED, reason="ShipStation has this order as cancelled")
            return Ack(key=order.key, state=AckState.ACCEPTED, ticket=str(there[0].order_id))
        try:
            answer = self._ask("POST", "/orders/createorder", body=request(order, self.settings))
        except NotFound:
            raise Unavailable(f"{self.name} has no /orders/createorder; check base_url") from None
        except Rejected as error:
            if error.status not in (400, 422):
                raise
            return Ack(key=order.key, state=AckState.REFUSED, reason=f"ShipStation says: {reason(error.body)}")
        made = http.decode(answer, Created, wrote=True)
        if made.order_key != order.key:
            raise Unavailable(f"{self.name} answered with another order's key", ambiguous=True)
        return Ack(key=order.key, state=AckState.ACCEPTED, ticket=str(made.order_id))

    def recall(self, recalls: Sequence[Recall]) -> Iterator[Ack]:
        """Looks first, deletes what nobody has made a label of, and looks whether a label came before."""
        for one in recalls:
            with in_doubt([one.key]):
                why = self._withdraw(one)
            yield Ack(key=one.key, state=AckState.REFUSED if why else AckState.APPLIED, reason=why)

    def _withdraw(self, one: Recall) -> str:
        """Why it is too late; empty once none of it will be sent."""
        parts = [part for part in self._parts(one.work) if part.order_status != "cancelled"]
        waiting = [part for part in parts if part.order_status in OPEN]
        if not waiting and parts:
            return f"in ShipStation it is {parts[0].order_status} already"
        if waiting and _units(waiting, one.work) != dict(one.lines):
            return "what waits in ShipStation is not what is called back; a part has left or was changed by hand"
        for part in waiting:
            try:
                if not http.decode(self._ask("DELETE", f"/orders/{part.order_id}"), Deleted).success:
                    return "ShipStation does not delete it and does not say why"
            except NotFound:
                continue  # gone already
            except Rejected as error:
                return f"ShipStation says: {reason(error.body)}"
        deleted = {part.order_id for part in waiting}
        if any(self._labels(one.work, deleted)):
            return "a label was made in ShipStation before it could be called back"
        return ""

    def _parts(self, work: str) -> list[Order]:
        """The order of our work, first, and what was split off it. The list has all whose number only begins so."""
        found: list[Order] = []
        query = {"orderNumber": work, "sortBy": "CreateDate", "sortDir": "ASC"}
        for page in self._pages("/orders", query, Orders):
            known = {part.order_id for part in found} | {row.order_id for row in page if row.order_key == work}
            found += [row for row in page if row.order_key == work or _parent(row) in known]
            # Longer numbers come later: once it is there and whole, the rest of the list is of no interest.
            if found and not any(part.advanced_options and part.advanced_options.merged_or_split for part in found):
                break
        return sorted(found, key=lambda part: part.order_key != work)

    def _labels(self, work: str, orders: set[int]) -> Iterator[Found]:
        """Labels of these orders that are not void; of the work, where there are none."""
        for page in self._pages("/shipments", {"orderNumber": work, "includeShipmentItems": "false"}, events.Shipments):
            for raw in page:
                found = events.find(raw, work, datetime.now(UTC))
                if found is None or found.void is not None:
                    continue
                # One that cannot be read may be of any: then it is too late, and a person looks.
                if found.made is None or (found.order in orders if orders else found.document.work == work):
                    yield found

    def events(self, cursor: str | None) -> Iterator[NoticePage]:
        """Labels by when they were made, then those that were voided after they were told."""
        now = datetime.now(UTC)
        at = Cursor(since=now - timedelta(days=1)) if cursor is None else msgspec.json.decode(cursor, type=Cursor)
        until = now - timedelta(minutes=self.settings.label_minutes)
        begin = times.since(at.since - OVERLAP, now)
        for page in self._listed({"createDateStart": begin, "sortBy": "CreateDate", "sortDir": "ASC"}, now):
            due = [one for one in page if self._is_due(one, at, until)]
            at.told.update({one.label: one.made or now for one in due})
            if due:
                yield NoticePage(notices=tuple(events.notice(one.document) for one in due), cursor=_written(at))
        for page in self._listed({"voidDateStart": begin}, now):
            late = [one for one in page if one.void is not None and f"{one.label}:void" not in at.told]
            was_told = [one for one in late if one.label in at.told or (one.made is not None and one.made <= at.since)]
            at.told.update({f"{one.label}:void": one.void or now for one in late})
            if was_told:
                found = tuple(events.notice(events.voided(one)) for one in was_told)
                yield NoticePage(notices=found, cursor=_written(at))
        at.since = max(at.since, until)
        at.told = {id: when for id, when in at.told.items() if when >= at.since - KEEP}
        yield NoticePage(notices=(), cursor=_written(at))

    def _is_due(self, one: Found, at: Cursor, until: datetime) -> bool:
        """Whether a label is to be told now: not void, old enough, and not told yet."""
        if one.label in at.told or one.void is not None:
            return False
        return one.made is None or one.made <= until

    def _listed(self, query: Mapping[str, str], now: datetime) -> Iterator[list[Found]]:
        """Labels that are about our work, by pages. Where pages have shifted, one may come twice."""
        for page in self._pages("/shipments", {**query, "includeShipmentItems": "true"}, events.Shipments):
            found = [events.find(raw, self.settings.key_prefix, now) for raw in page]
            yield [one for one in found if one is not None]

    def taken(self, page: NoticePage, unread: Mapping[str, str]) -> None:
        """Nothing to do: ShipStation keeps its labels."""

    def normalize(self, body: bytes) -> Event:
        return events.normalize(body)

    def close(self) -> None:
        if self._http is not None:
            self._http.close()
            self._http = None

    def _pages(self, path: str, query: Mapping[str, str], shape: type[_Page[T]]) -> Iterator[list[T]]:
        nth, last = 1, 1
        while nth <= last:
            asked = {**query, "page": str(nth), "pageSize": str(self.settings.page_size)}
            try:
                page = http.decode(self._ask("GET", path, asked), shape)
            except NotFound:
                raise Unavailable(f"{self.name} has no {path}; check base_url") from None
            if page.page != nth:
                raise Unavailable(f"{self.name} was asked for page {nth} of {path} and gave page {page.page}")
            yield page.rows
            nth, last = nth + 1, page.pages

    def _ask(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> httpx.Response:
        told = {} if body is None else http.json_body(body)
        return self._client.request(method, f"{self._base}{path}", params=query, **told)


class _Page(Protocol[T]):
    page: int
    pages: int

    @property
    def rows(self) -> list[T]: ...


def reading(response: httpx.Response) -> Reading | None:
    """What the headers say of the key's limit, and when the next minute begins where nothing is left of this one."""
    left, most, reset = (_number(response.headers.get(f"X-Rate-Limit-{what}")) for what in
                         ("Remaining", "Limit", "Reset"))  # fmt: skip
    if left is None and most is None and reset is None:
        return None
    spent = left == 0 or response.status_code == 429
    wait = reset + 1 if spent and reset is not None else None  # it is told in whole seconds
    return Reading(left=left, burst=most or None, rate=most / 60 if most else None, wait=wait)


def reason(body: bytes) -> str:
    """What a refusal says, in one line. Of its details only which fields they are about: values may be a buyer's."""
    try:
        said = msgspec.json.decode(body, type=_Refusal)
    except (msgspec.DecodeError, RecursionError):
        return "it refuses it and does not say why"
    fields = ", ".join(said.model_state)
    return ((said.message or said.text or "no reason") + (f" ({fields})" if fields else ""))[:300]


class _Refusal(msgspec.Struct):
    message: str = ""
    text: str = msgspec.field(default="", name="Message")
    model_state: dict[str, Any] = msgspec.field(default_factory=dict, name="ModelState")


def _number(text: str | None) -> float | None:
    return float(text) if text and re.fullmatch(r"[0-9]{1,6}", text.strip()) else None


def _parent(order: Order) -> int | None:
    return order.advanced_options.parent_id if order.advanced_options else None


def _units(parts: Sequence[Order], work: str) -> dict[str, int]:
    """Units by line number that parts of an order hold; what is none of ours has a name of its own."""
    units: Counter[str] = Counter()
    for item in (item for part in parts for item in part.items or ()):
        whose, number = line_of(item.line_item_key or "")
        units[number if whose == work else f"not ours: {item.line_item_key}"] += item.quantity
    return dict(units)


def _written(at: Cursor) -> str:
    return msgspec.json.encode(at).decode()
