"""The shapes of Walmart's answers: JSON where it was asked for, XML otherwise, and refusals in their several forms."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

import msgspec
from werkzeug.wrappers import Response


class Refused(Exception):
    """A refusal on its way out."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, mimetype="application/json")


def gateway(status: int, code: str, text: str, field: str = "") -> Refused:
    """What the gateway in front of all services says."""
    return Refused(json({"error": [_error(f"{code}.GMP_GATEWAY_API", text, field)]}, status))


def orders(status: int, code: str, text: str, field: str = "data") -> Refused:
    """What the order service says: the list of errors inside an object."""
    return Refused(json({"errors": {"error": [_error(f"{code}.GMP_ORDER_API", text, field)]}}, status))


def returns(status: int, code: str, text: str, field: str = "data") -> Refused:
    """What the returns service says: `errors` is the list."""
    return Refused(json({"errors": [_error(f"{code}.GMP_RETURNS_API", text, field)]}, status))


def inventory(status: int, code: str, text: str, field: str = "") -> Refused:
    """What the inventory service says: a plain list of errors."""
    return Refused(json({"errors": [_error(f"{code}.GMP_INVENTORY_API", text, field)]}, status))


def notifications(status: int, code: str, text: str, field: str = "") -> Refused:
    """What the notification service says: a plain list of errors, like the inventory service's."""
    return Refused(json({"errors": [_error(f"{code}.GMP_NOTIFICATION_API", text, field)]}, status))


def feeds(status: int, code: str, text: str, field: str = "") -> Refused:
    """What the feed receiver says: `message` in the place of `description`."""
    error = {"code": code, "message": text} | ({"field": field} if field else {})
    return Refused(json({"errors": [error]}, status))


def throttled(after: int | None) -> Response:
    response = json({"errors": [_error("REQUEST_THRESHOLD_VIOLATED.GMP_GATEWAY_API", "too many requests", "")]}, 429)
    if after is not None:
        response.headers["Retry-After"] = str(after)
    return response


def node_error(text: str) -> dict[str, Any]:
    """An error of one ship node inside an answer that is a success as a whole."""
    return _error("INVALID_REQUEST_PARAM.GMP_INVENTORY_API", text, "shipNode")


def in_xml(response: Response) -> Response:
    """The same answer for a client that did not ask for JSON."""
    value = msgspec.json.decode(response.get_data())
    response.set_data(f'<?xml version="1.0" encoding="UTF-8"?><answer>{_xml(value)}</answer>')
    response.mimetype = "application/xml"
    return response


def _error(code: str, text: str, field: str) -> dict[str, Any]:
    error = {"code": code, "description": text, "severity": "ERROR", "category": "DATA"}
    return error | ({"field": field} if field else {})


def _xml(value: Any) -> str:
    if isinstance(value, dict):
        return "".join(f"<{name}>{_xml(part)}</{name}>" for name, part in value.items())
    if isinstance(value, list):
        return "".join(f"<item>{_xml(part)}</item>" for part in value)
    return "" if value is None else escape(str(value))
