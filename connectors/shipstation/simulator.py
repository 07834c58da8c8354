"""The far end: one ShipStation account and the people who pack there, as strict as the v1 API's pages say.

People make labels (`send`), void them, hold, cancel and split orders; nothing happens by itself.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
from werkzeug.wrappers import Request, Response

from connectors.shipstation.times import PACIFIC
from connectors.simulation import FaultPlan, Service

KEY, SECRET = "0a1b2c3d4e5f", "f5e4d3c2b1a0"
OPEN = ("awaiting_payment", "awaiting_shipment", "on_hold")
STATES = (*OPEN, "pending_fulfillment", "shipped", "cancelled", "rejected_fulfillment")
REQUIRED = ("orderNumber", "orderDate", "orderStatus", "billTo", "shipTo")

ORDERS = ("orderNumber", "orderStatus", "storeId", "createDateStart", "sortBy", "sortDir", "page", "pageSize")
SHIPMENTS = ("orderNumber", "orderId", "createDateStart", "voidDateStart", "storeId", "includeShipmentItems", "sortBy",
             "sortDir", "page", "pageSize")  # fmt: skip


class Refused(Exception):
    """A refusal, raised where the rule stands."""

    def __init__(self, status: int, message: str, fields: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.status, self.message, self.fields = status, message, fields


@dataclass
class Kept:
    """An order as the account has it."""

    id: int
    asked: dict[str, Any]
    made: datetime
    status: str
    active: bool = True
    parent: int | None = None
    times: int = 1
    """How often it was created or overwritten."""
    split: bool = False

    @property
    def key(self) -> str:
        return str(self.asked["orderKey"])


@dataclass
class Label:
    id: int
    order: Kept
    made: datetime
    tracking: str
    items: list[dict[str, Any]]
    void: datetime | None = None
    more: dict[str, Any] = field(default_factory=dict)
    """What stands in it otherwise than usual."""


class ShipStationSimulator(Service):
    """`page` bounds what a page may hold, `limit` the requests of a minute."""

    def __init__(self, *, faults: FaultPlan | None = None, seed: int = 0, limit: int = 40, page: int = 500) -> None:
        super().__init__(name="shipstation", faults=faults, seed=seed)
        self.limit, self.page = limit, page
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.orders: list[Kept] = []
        self.labels: list[Label] = []
        self.bodies: list[dict[str, Any]] = []
        """What createorder was asked, word for word."""
        self._window, self._used = 0.0, 0

    # The people.

    def order(self, key: str) -> Kept:
        return next(one for one in self.orders if one.key == key)

    def send(self, key: str, units: Mapping[str, int], tracking: str, *, keys: bool = True, **more: Any) -> Label:
        """A label, of units by SKU. `keys`: whether it repeats the lineItemKeys, which the API does not promise."""
        with self.lock:
            order = self.order(key)
            of = {item["sku"]: item for item in order.asked["items"]}
            items = [
                {"orderItemId": 1, "lineItemKey": of[sku].get("lineItemKey") if keys else None, "sku": sku,
                 "name": of[sku]["name"], "quantity": count}
                for sku, count in units.items()
            ]  # fmt: skip
            label = Label(len(self.labels) + 5001, order, self.clock(), tracking, items, more=more)
            self.labels.append(label)
            order.status = "shipped"
            return label

    def void(self, label: Label) -> None:
        """The label is void, and its order waits again."""
        with self.lock:
            label.void = self.clock()
            label.order.status = "awaiting_shipment"

    def split(self, key: str, units: Mapping[str, int]) -> Kept:
        """Units by SKU become an order of their own."""
        with self.lock:
            order = self.order(key)
            order.split = True
            items = []
            for item in order.asked["items"]:
                if count := units.get(item["sku"], 0):
                    item["quantity"] -= count
                    items.append({**item, "quantity": count})
            order.asked["items"] = [item for item in order.asked["items"] if item["quantity"]]
            own = {**order.asked, "items": items, "orderKey": f"manual-{len(self.orders)}",
                   "orderNumber": f"{order.asked['orderNumber']}-2"}  # fmt: skip
            made = Kept(len(self.orders) + 9001, own, self.clock(), order.status, parent=order.id, split=True)
            self.orders.append(made)
            return made

    # The API.

    def handle(self, request: Request) -> Response:
        with self.lock:
            try:
                self._let_in(request)
                answer: Any = self._answered(request)
                response = Response(msgspec.json.encode(answer), mimetype="application/json")
            except Refused as error:
                said: dict[str, Any] = {"Message": error.message}
                if error.fields:
                    said["ModelState"] = {f"apiOrder.{name}": ["It is wrong."] for name in error.fields}
                response = Response(msgspec.json.encode(said), error.status, mimetype="application/json")
            return self._with_limits(response)

    def throttled(self, after: int | None) -> Response:
        return self._with_limits(Response('{"message":"Too Many Requests"}', 429, mimetype="application/json"))

    def _with_limits(self, response: Response) -> Response:
        response.headers["X-Rate-Limit-Limit"] = str(self.limit)
        response.headers["X-Rate-Limit-Remaining"] = str(max(0, self.limit - self._used))
        response.headers["X-Rate-Limit-Reset"] = str(max(1, int(self._window + 60 - time.monotonic())))
        return response

    def _let_in(self, request: Request) -> None:
        now = time.monotonic()
        if now - self._window >= 60:
            self._window, self._used = now, 0
        if self._used >= self.limit:
            self.violations["any"] += 1
            raise Refused(429, "Too Many Requests")
        self._used += 1
        wanted = f"Basic {base64.b64encode(f'{KEY}:{SECRET}'.encode()).decode()}"
        if request.headers.get("Authorization") != wanted:
            raise Refused(401, "Authorization has been denied for this request.")

    def _answered(self, request: Request) -> Any:
        match request.method, request.path.strip("/").split("/"):
            case "POST", ["orders", "createorder"]:
                self.calls["createorder"] += 1
                return self._create(request)
            case "GET", ["orders"]:
                self.calls["listOrders"] += 1
                return self._list_orders(_given(request, ORDERS))
            case "GET", ["shipments"]:
                self.calls["listShipments"] += 1
                return self._list_shipments(_given(request, SHIPMENTS))
            case "DELETE", ["orders", id]:
                self.calls["deleteOrder"] += 1
                return self._delete(id)
        raise Refused(404, "No HTTP resource was found that matches the request URI.")

    def _create(self, request: Request) -> dict[str, Any]:
        if request.mimetype != "application/json":
            raise Refused(415, "The request is no JSON.")
        try:
            asked = msgspec.json.decode(request.get_data(), type=dict[str, Any])
        except msgspec.DecodeError:
            raise Refused(400, "The request is invalid.") from None
        self.bodies.append(asked)
        wrong = [name for name in REQUIRED if not asked.get(name)]
        wrong += ["orderNumber"] if len(asked.get("orderNumber") or "") > 50 else []
        wrong += ["orderStatus"] if asked.get("orderStatus") not in STATES else []
        items = asked.get("items") or []
        wrong += ["items"] if any(not one.get("name") or not _whole(one.get("quantity")) for one in items) else []
        wrong += ["orderDate"] if not _naive(asked.get("orderDate")) else []
        if wrong or "orderId" in asked:
            raise Refused(400, "The request is invalid.", wrong)
        key = asked.get("orderKey") or f"generated-{len(self.orders)}"
        known = next((one for one in self.orders if one.key == key), None)
        if known is None:
            known = Kept(len(self.orders) + 9001, {**asked, "orderKey": key}, self.clock(), asked["orderStatus"])
            self.orders.append(known)
        elif known.status not in OPEN or not known.active:
            raise Refused(400, "The order is not open and cannot be updated.")
        else:
            known.asked, known.status, known.times = asked, asked["orderStatus"], known.times + 1
        return self._shown(known)

    def _delete(self, id: str) -> dict[str, Any]:
        order = next((one for one in self.orders if str(one.id) == id and one.active), None)
        if order is None:
            raise Refused(404, "The order was not found.")
        if order.status not in OPEN:
            raise Refused(400, f"The order is {order.status} and cannot be deleted.")
        order.active = False
        return {"success": True, "message": "It is deleted."}

    def _list_orders(self, given: Mapping[str, str]) -> dict[str, Any]:
        found = [
            one
            for one in self.orders
            if one.active and one.asked["orderNumber"].startswith(given.get("orderNumber", ""))
        ]
        found.sort(key=lambda one: one.made, reverse=given.get("sortDir") == "DESC")
        return self._paged("orders", [self._shown(one) for one in found], given)

    def _list_shipments(self, given: Mapping[str, str]) -> dict[str, Any]:
        found = [
            one
            for one in self.labels
            if (not given.get("orderNumber") or one.order.asked["orderNumber"] == given["orderNumber"])
            and _wall(one.made) >= given.get("createDateStart", "")
            and ("voidDateStart" not in given or (one.void is not None and _wall(one.void) >= given["voidDateStart"]))
        ]
        found.sort(key=lambda one: _wall(one.made), reverse=given.get("sortDir") == "DESC")
        items = given.get("includeShipmentItems") == "true"
        return self._paged("shipments", [_label(one, items=items) for one in found], given)

    def _paged(self, name: str, rows: list[dict[str, Any]], given: Mapping[str, str]) -> dict[str, Any]:
        size, nth = min(int(given.get("pageSize", "100")), self.page), int(given.get("page", "1"))
        pages = -(-len(rows) // size)
        return {name: rows[(nth - 1) * size : nth * size], "total": len(rows), "page": nth, "pages": pages}

    def _shown(self, one: Kept) -> dict[str, Any]:
        options = {**one.asked.get("advancedOptions", {}), "mergedOrSplit": one.split, "parentId": one.parent}
        return {**one.asked, "orderId": one.id, "orderStatus": one.status, "createDate": _wall(one.made),
                "advancedOptions": options}  # fmt: skip


def _label(one: Label, *, items: bool) -> dict[str, Any]:
    order = one.order
    return {
        "shipmentId": one.id, "orderId": order.id, "orderKey": order.key, "orderNumber": order.asked["orderNumber"],
        "createDate": _wall(one.made), "shipDate": _wall(one.made)[:10], "shipmentCost": 5.25, "insuranceCost": 0,
        "trackingNumber": one.tracking, "isReturnLabel": False, "carrierCode": "ups", "serviceCode": "ups_ground",
        "warehouseId": order.asked.get("advancedOptions", {}).get("warehouseId"), "voided": one.void is not None,
        "voidDate": None if one.void is None else _wall(one.void), "shipTo": order.asked["shipTo"],
        "shipmentItems": one.items if items else None, **one.more,
    }  # fmt: skip


def _given(request: Request, known: Sequence[str]) -> dict[str, str]:
    for name, values in request.args.lists():
        if name not in known or len(values) > 1:
            raise Refused(400, f"{name} is no parameter of this request, or is given twice.")
    given = dict(request.args.items())
    if not 1 <= int(given.get("pageSize", "100")) <= 500:
        raise Refused(400, "pageSize is 500 at most.")
    return given


def _wall(at: datetime) -> str:
    """An instant on the vendor's clock, with its seven digits of a second."""
    return f"{at.astimezone(PACIFIC):%Y-%m-%dT%H:%M:%S.%f}0"


def _naive(text: Any) -> bool:
    """Whether it is a moment on that clock: without an offset."""
    try:
        return datetime.fromisoformat(text).tzinfo is None
    except (TypeError, ValueError):
        return False


def _whole(value: Any) -> bool:
    return type(value) is int and value > 0
