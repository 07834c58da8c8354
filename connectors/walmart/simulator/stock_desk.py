"""The inventory and feed services."""

from __future__ import annotations

import io
from random import Random
from typing import Any

import msgspec
from werkzeug.formparser import parse_form_data
from werkzeug.wrappers import Response

from connectors.walmart.simulator import answers
from connectors.walmart.simulator.front_desk import Asked
from connectors.walmart.simulator.shelves import Item, Row, Shelves

LARGEST_FILE = 5_000_000


class _Strict(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    pass


class _Quantity(_Strict):
    unit: str
    amount: int


class _OneNumber(_Strict):
    sku: str
    quantity: _Quantity
    inventory_available_date: str | None = None


class _Node(_Strict):
    ship_node: str
    input_qty: _Quantity
    inventory_available_date: str | None = None


class _Nodes(_Strict):
    nodes: list[_Node]


class _PerNode(_Strict):
    inventories: _Nodes


class _FileNode(_Strict):
    ship_node: str
    quantity: _Quantity


class _FileRow(_Strict):
    sku: str
    ship_nodes: list[_FileNode]


class _Header(_Strict):
    version: str


class _File14(_Strict):
    header: _Header = msgspec.field(name="InventoryHeader")
    rows: list[_OneNumber] = msgspec.field(name="Inventory")


class _File15(_Strict):
    header: _Header = msgspec.field(name="inventoryHeader")
    rows: list[_FileRow] = msgspec.field(name="inventory")


class StockDesk:
    """Answers about one account's `Shelves`. Callers hold the simulator's lock."""

    def __init__(self, shelves: Shelves, random: Random) -> None:
        self._shelves = shelves
        self._random = random
        self._walks: dict[str, int] = {}
        """The cursors that are good for one request, with the SKU each goes on at."""

    def get_one_number(self, asked: Asked) -> Response:
        asked.only("sku", "shipNode")
        item, node = self._item(asked.query.get("sku", "")), self._node(asked)
        return answers.json({"sku": item.sku, "quantity": {"unit": "EACH", "amount": item.units.get(node, 0)}})

    def put_one_number(self, asked: Asked) -> Response:
        asked.only("sku", "shipNode")
        item, node = self._item(asked.query.get("sku", "")), self._node(asked)
        body = _body(asked, _OneNumber)
        if body.sku != item.sku:
            raise answers.inventory(400, "INVALID_REQUEST_CONTENT", "another SKU than the address names", "sku")
        wrong = _wrong_unit(body.quantity) or self._shelves.wrong(item.sku, node, body.quantity.amount)
        if wrong:
            raise answers.inventory(400, "INVALID_REQUEST_CONTENT", wrong, "quantity")
        item.units[node] = body.quantity.amount
        return answers.json({"sku": item.sku, "quantity": {"unit": "EACH", "amount": body.quantity.amount}})

    def get_nodes(self, asked: Asked) -> Response:
        asked.only("shipNode")
        item = self._item(asked.sku_in_path())
        nodes = [self._node(asked)] if "shipNode" in asked.query else self._shelves.nodes
        return answers.json({"sku": item.sku, "nodes": [_node(item, node) for node in nodes]})

    def put_nodes(self, asked: Asked) -> Response:
        """A success as a whole, in which each ship node has its own."""
        asked.only()
        item = self._item(asked.sku_in_path())
        body = _body(asked, _PerNode)
        if not body.inventories.nodes:
            raise answers.inventory(400, "INVALID_REQUEST_CONTENT", "no ship node", "nodes")
        shown = []
        for node in body.inventories.nodes:
            quantity = node.input_qty
            wrong = _wrong_unit(quantity) or self._shelves.wrong(item.sku, node.ship_node, quantity.amount)
            if wrong:
                shown.append({"shipNode": node.ship_node, "status": "Failure", "errors": [answers.node_error(wrong)]})
            else:
                item.units[node.ship_node] = quantity.amount
                shown.append({"shipNode": node.ship_node, "status": "Success"})
        return answers.json({"sku": item.sku, "nodes": shown})

    def walk(self, asked: Asked) -> Response:
        """All SKUs, in sequence: a cursor is taken once, and gone."""
        asked.only("limit", "nextCursor")
        limit = _number(asked, "limit", 10, 1, 50)
        cursor = asked.query.get("nextCursor")
        start = 0 if cursor is None else self._walks.pop(cursor, -1)
        if start < 0:
            raise answers.inventory(404, "CONTENT_NOT_FOUND", "the cursor was used, or is out of order", "nextCursor")
        items = [item for item in self._shelves.items.values() if item.wfs is None]
        if not items:
            raise answers.inventory(404, "CONTENT_NOT_FOUND", "no items")
        meta: dict[str, Any] = {"totalCount": len(items)}
        if start + limit < len(items):
            meta["nextCursor"] = f"{self._random.getrandbits(128):032x}"
            self._walks[meta["nextCursor"]] = start + limit
        rows = [
            {"sku": item.sku, "nodes": [_node(item, node) for node in self._shelves.nodes]}
            for item in items[start : start + limit]
        ]
        return answers.json({"meta": meta, "elements": {"inventories": rows}})

    def wfs(self, asked: Asked) -> Response:
        asked.only("limit", "offset", "sku")
        limit, offset = _number(asked, "limit", 10, 1, 300), _number(asked, "offset", 0, 0, 10**9)
        items = [item for item in self._shelves.items.values() if item.wfs is not None]
        rows = [
            {
                "itemInformation": {"itemName": item.title, "sku": item.sku},
                "inventoryData": {"availableUnits": item.wfs, "onhandUnits": item.wfs, "inboundUnits": 0},
            }
            for item in items[offset : offset + limit]
            if asked.query.get("sku", item.sku) == item.sku
        ]
        headers = {"totalCount": len(items), "limit": limit, "offset": offset}
        return answers.json({"headers": headers, "payload": {"inventory": rows}})

    def feed(self, asked: Asked) -> Response:
        """Takes a file in. What its rows are worth is found out later; a file that is none is refused now."""
        asked.only("feedType")
        kind = asked.query.get("feedType")
        if kind not in ("inventory", "MP_INVENTORY"):
            raise answers.feeds(400, "INVALID_FEED_TYPE", "no such feed", "feedType")
        body = _file(asked)
        if len(body) > LARGEST_FILE:
            raise answers.feeds(413, "PAYLOAD_TOO_LARGE", "a file holds 5 MB")
        try:
            rows = self._rows(kind, body)
        except msgspec.ValidationError as error:
            raise answers.feeds(422, "SCHEMA_MISMATCH", f"the file is none of this feed: {error}") from None
        except msgspec.DecodeError:
            raise answers.feeds(415, "UNSUPPORTED_MEDIA_TYPE", "JSON is expected") from None
        if not rows:
            raise answers.feeds(422, "SCHEMA_MISMATCH", "no rows")
        return answers.json({"feedId": self._shelves.accept(rows).number})

    def _rows(self, kind: str, body: bytes) -> list[Row]:
        if kind == "inventory":
            single = msgspec.json.decode(body, type=_File14)
            if single.header.version != "1.4":
                raise answers.feeds(422, "SCHEMA_MISMATCH", "version 1.4 is expected", "InventoryHeader.version")
            default = self._shelves.nodes[0]
            return [Row(row.sku, {default: _amount(row.quantity)}) for row in single.rows]
        several = msgspec.json.decode(body, type=_File15)
        if several.header.version != "1.5":
            raise answers.feeds(422, "SCHEMA_MISMATCH", "version 1.5 is expected", "inventoryHeader.version")
        return [
            Row(row.sku, {node.ship_node: _amount(node.quantity) for node in row.ship_nodes}) for row in several.rows
        ]

    def feed_status(self, asked: Asked) -> Response:
        asked.only("includeDetails", "offset", "limit")
        details = asked.query.get("includeDetails", "false") == "true"
        limit = _number(asked, "limit", 50, 1, 50 if details else 1000)
        offset = _number(asked, "offset", 0, 0, 10**9)
        feed = self._shelves.feeds.get(asked.segments[2])
        if feed is None:
            raise answers.feeds(404, "CONTENT_NOT_FOUND", "no such feed", "feedId")
        return answers.json(self._shelves.shown(feed, details, offset, limit))

    def _item(self, sku: str) -> Item:
        item = self._shelves.items.get(sku)
        if item is None:
            raise answers.inventory(404, "CONTENT_NOT_FOUND", "no such SKU", "sku")
        if item.wfs is not None:
            raise answers.inventory(400, "INVALID_REQUEST_PARAM", "the item is fulfilled by Walmart", "sku")
        return item

    def _node(self, asked: Asked) -> str:
        node = asked.query.get("shipNode", self._shelves.nodes[0])
        if node not in self._shelves.nodes:
            raise answers.inventory(400, "INVALID_REQUEST_PARAM", "no ship node of this seller", "shipNode")
        return node


def _node(item: Item, node: str) -> dict[str, Any]:
    held = {"unit": "EACH", "amount": item.units.get(node, 0)}
    return {
        "shipNode": node,
        "inputQty": held,
        "availToSellQty": held,
        "reservedQty": {"unit": "EACH", "amount": 0},
    }


def _body(asked: Asked, shape: type[Any]) -> Any:
    if asked.request.mimetype != "application/json":
        raise answers.inventory(415, "UNSUPPORTED_MEDIA_TYPE", "JSON is expected")
    try:
        return msgspec.json.decode(asked.request.get_data(), type=shape)
    except msgspec.DecodeError as error:
        raise answers.inventory(400, "INVALID_REQUEST_CONTENT", f"cannot be read: {error}", "data") from None


def _file(asked: Asked) -> bytes:
    if asked.request.mimetype != "multipart/form-data":
        raise answers.feeds(415, "UNSUPPORTED_MEDIA_TYPE", "a multipart form is expected")
    # The body was read before anyone asked for its form.
    environ = asked.request.environ | {"wsgi.input": io.BytesIO(asked.request.get_data())}
    files = parse_form_data(environ)[2]
    try:
        if "file" not in files:
            raise answers.feeds(400, "MISSING_FILE", "the multipart field 'file' is missing")
        return bytes(files["file"].read())
    finally:
        for file in files.values():
            file.close()


def _wrong_unit(quantity: _Quantity) -> str:
    return "" if quantity.unit == "EACH" else "the unit is EACH"


def _amount(quantity: _Quantity) -> int:
    return quantity.amount if quantity.unit == "EACH" else -1


def _number(asked: Asked, name: str, otherwise: int, least: int, most: int) -> int:
    text = asked.query.get(name, str(otherwise))
    if not (text.isascii() and text.isdecimal() and least <= int(text) <= most):
        raise answers.inventory(400, "INVALID_REQUEST_PARAM", f"from {least} to {most}", name)
    return int(text)
