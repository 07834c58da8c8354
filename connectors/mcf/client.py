"""The connector: work created, looked at and cancelled at Amazon, and FBA stock counted as that of its location."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import ClassVar, cast

import msgspec

from connectors.amazon.account import Account, reason
from connectors.amazon.own_stock import own_stock
from connectors.amazon.settings import AmazonSettings
from connectors.mcf import reading
from connectors.mcf.settings import McfSettings
from connectors.mcf.work import lacks, request
from core import http
from core.credentials import Keeper, Memory
from core.errors import NotFound, Rejected, Throttled, Unavailable, in_doubt
from core.handover import Event, Notice, NoticePage, Recall, WorkOrder
from core.model import Ack, AckState
from core.warehouse import Deed

PAGE = 20
"""Orders looked at for one page."""

OVERLAP = timedelta(hours=1)
"""By how much the list of changed orders reaches back behind the last: it lags."""

LOOK_AGAIN = timedelta(minutes=30)
"""When an order that is not done is looked at although nothing says that it has changed: numbers come late."""


class Open(msgspec.Struct):
    """An order that is not done, as it was looked at last."""

    changed: datetime
    looked: datetime
    apart: dict[str, int] = {}
    """Units that Amazon has set apart for it, by SKU."""


class Cursor(msgspec.Struct):
    """How far the reading has come."""

    since: datetime
    open: dict[str, Open] = {}
    done: dict[str, datetime] = {}
    """Orders that are done and still listed, and when Amazon changed them last: they are not looked at again."""
    counted: datetime | None = None


class Mcf:
    """One seller's stock in Amazon's warehouses."""

    Settings: ClassVar[type[McfSettings]] = McfSettings
    abilities: ClassVar[frozenset[Deed]] = frozenset(
        {Deed.RELEASE, Deed.RECALL, Deed.TELLS_ACCEPTED, Deed.TELLS_DECLINED, Deed.TELLS_LEFT, Deed.TELLS_COUNTED}
    )
    absent: ClassVar[Mapping[Deed, str]] = {
        Deed.RECALL_UNITS: "Amazon cancels whole fulfilment orders, and only before it packs them",
        Deed.TELLS_ADJUSTED: "Amazon shows what its warehouses hold, not what changed it",
        Deed.CALLS: "Amazon's notifications name an order and say no more; it is asked",
    }

    def __init__(self, name: str, settings: McfSettings, keeper: Keeper | None = None) -> None:
        self.name = name
        self.settings = settings
        # The account asks its settings for credentials, addresses and pace: they are the same keys here.
        self._account = Account(name, cast(AmazonSettings, settings), keeper or Memory())

    def release(self, orders: Sequence[WorkOrder]) -> Iterator[Ack]:
        """One fulfilment order for each. Amazon refuses a number it knows, so it is looked at what it has then."""
        for order in orders:
            missing = lacks(order)
            if missing:
                yield Ack(key=order.key, state=AckState.REFUSED, reason=missing)
                continue
            with in_doubt([order.key]):
                yield self._create(order)

    def _create(self, order: WorkOrder) -> Ack:
        try:
            self._account.seller.create_fulfillment_order(request(order, self.settings))
        except Rejected as error:
            if error.status != 400:
                raise
            if not self._is_there(order.key):
                return Ack(key=order.key, state=AckState.REFUSED, reason=f"Amazon says: {reason(error.body)}")
        return Ack(key=order.key, state=AckState.ACCEPTED, ticket=order.key)

    def _is_there(self, key: str) -> bool:
        try:
            self._order(key)
        except NotFound:
            return False
        return True

    def recall(self, recalls: Sequence[Recall]) -> Iterator[Ack]:
        """Looks first: what is cancelled already is not cancelled again, and what is being packed cannot be."""
        for one in recalls:
            with in_doubt([one.key]):
                state, why = self._cancelled(one.work)
            yield Ack(key=one.key, state=state, reason=why)

    def _cancelled(self, work: str) -> tuple[AckState, str]:
        try:
            status = self._order(work).fulfillment_order.fulfillment_order_status
            if status in reading.CANCELLABLE:
                self._account.seller.cancel_fulfillment_order(work)
                status = self._order(work).fulfillment_order.fulfillment_order_status
        except NotFound:
            return AckState.REFUSED, "Amazon does not know this order (any more)"
        except Rejected as error:
            if error.status != 400:
                raise
            return AckState.REFUSED, f"Amazon says: {reason(error.body)}"
        if status in reading.FAILED:
            return AckState.APPLIED, ""
        if status in reading.CANCELLABLE:
            return AckState.RETRY, "Amazon has not cancelled it yet"
        return AckState.REFUSED, f"Amazon is sending it already ({status})"

    def events(self, cursor: str | None) -> Iterator[NoticePage]:
        """What became of orders that changed or are not done, page by page; then the stock, where it is time to."""
        began = datetime.now(UTC)
        at = Cursor(since=began - timedelta(days=1)) if cursor is None else msgspec.json.decode(cursor, type=Cursor)
        due = self._due(at, began)
        for nth in range(0, len(due), PAGE):
            page: list[Notice] = []
            for key in due[nth : nth + PAGE]:
                found = self._order(key)
                page += reading.notices(found)
                _note(at, found, began)
            yield NoticePage(notices=tuple(page), cursor=_written(at))
        at.since = max(at.since, began - timedelta(minutes=1))
        at.done = {key: when for key, when in at.done.items() if when >= at.since - 2 * OVERLAP}
        count = self._count(at, began)
        yield NoticePage(notices=tuple(count), cursor=_written(at))

    def _due(self, at: Cursor, now: datetime) -> list[str]:
        """The orders to look at, the longest changed first."""
        changed = {
            order.seller_fulfillment_order_id: order.status_updated_date
            for order in self._listed(at.since - OVERLAP)
            if order.seller_fulfillment_order_id.startswith(self.settings.key_prefix)  # others are nobody's of ours
        }
        known = at.done | {key: one.changed for key, one in at.open.items()}
        fresh = [key for key, when in changed.items() if known.get(key) != when]
        late = [key for key, one in at.open.items() if now - one.looked >= LOOK_AGAIN]
        return sorted({*fresh, *late}, key=lambda key: (changed.get(key, now), key))

    def _listed(self, since: datetime) -> list[reading.Order]:
        """All pages of the list: read whole, as their tokens die young."""
        found: list[reading.Order] = []
        token, tokens = "", set[str]()
        while True:
            more = {"nextToken": token} if token else {"queryStartDate": f"{since:%Y-%m-%dT%H:%M:%SZ}"}
            page = http.decode(self._account.seller.list_fulfillment_orders(**more), reading.ListAnswer).payload
            found += page.fulfillment_orders or []
            token = page.next_token or ""
            if not token:
                return found
            if token in tokens:
                raise Unavailable(f"{self.name} gives the same page of fulfilment orders again and again")
            tokens.add(token)

    def _order(self, key: str) -> reading.Payload:
        return http.decode(self._account.seller.get_fulfillment_order(key), reading.Answer).payload

    def _count(self, at: Cursor, now: datetime) -> list[Notice]:
        """FBA stock as of now: what can be sold, and what is set apart for our work and has not left."""
        minutes = self.settings.count_minutes
        if not minutes or not self.settings.locations:
            return []
        if at.counted is not None and now - at.counted < timedelta(minutes=minutes):
            return []
        as_of = datetime.now(UTC)
        try:
            units = {one.sku: one.available for one in own_stock(self._account)}
        except Throttled:  # what buyers wait for goes before; the stock is counted by a later turn
            return []
        for one in at.open.values():
            for sku, count in one.apart.items():
                units[sku] = units.get(sku, 0) + count
        at.counted = as_of
        (place,) = self.settings.locations.values()
        return [reading.counted(place, units, as_of)] if units else []

    def taken(self, page: NoticePage, unread: Mapping[str, str]) -> None:
        """Nothing to do: Amazon keeps its orders."""

    def normalize(self, body: bytes) -> Event:
        return reading.normalize(body)

    def close(self) -> None:
        self._account.close()


def _note(at: Cursor, found: reading.Payload, now: datetime) -> None:
    """What is done need not be looked at again; what has parcels without numbers is not done."""
    order = found.fulfillment_order
    waiting = any(
        one.fulfillment_shipment_status == "SHIPPED" and not one.is_told for one in found.fulfillment_shipments or ()
    )
    key, changed = order.seller_fulfillment_order_id, order.status_updated_date
    if order.fulfillment_order_status in reading.FINAL and not waiting:
        at.open.pop(key, None)
        at.done[key] = changed
    else:
        at.open[key] = Open(changed, now, reading.set_apart(found))


def _written(at: Cursor) -> str:
    return msgspec.json.encode(at).decode()
