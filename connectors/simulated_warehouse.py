"""A warehouse's HTTP service, served on this machine: the sandbox's yard, asked as docs/warehouses.md says.

It is as strict as that page: what is not signed, or signed too long ago, is turned away; the same key is answered as
the first time and done once. Work is taken and done later by its people, who play with `yard`. Only the demo,
`ordersync simulate` and tests use it.
"""

from __future__ import annotations

from typing import Any

import msgspec
from werkzeug.wrappers import Request, Response

from connectors.sandbox_warehouse import Yard
from connectors.simulation import FaultPlan, Service
from connectors.webhook import signing
from core.errors import Forged, Stale

BELOW = "/wms"
"""Where everything is served."""

_OPERATIONS = {f"{BELOW}/work": "release", f"{BELOW}/recalls": "recall"}


class SimulatedWarehouse(Service):
    """One warehouse on a real socket, with its faults."""

    def __init__(
        self, *, name: str, secret: str, yard: Yard | None = None, faults: FaultPlan | None = None, seed: int = 0
    ) -> None:
        super().__init__(name=name, faults=faults, seed=seed)
        self.yard = yard or Yard()
        self._secret = secret

    def config(self) -> dict[str, Any]:
        """The keys of a warehouse's file that reach it; the caller says which locations it serves."""
        return {
            "connector": "http",
            "base_url": f"{self.base_url}{BELOW}",
            "signing_secret": f"secret:{self._secret_name}",
        }

    def secrets(self) -> dict[str, str]:
        """What the file refers to."""
        return {self._secret_name: self._secret}

    @property
    def _secret_name(self) -> str:
        return f"{self.name.upper()}_SIGNING_SECRET"

    def handle(self, request: Request) -> Response:
        body = request.get_data()
        given = {name.lower(): value for name, value in request.headers.items()}
        try:
            signing.check(self._secret, given, self.now(), request.method, request.environ["RAW_URI"], body)
        except (Forged, Stale) as error:
            return _json({"reason": str(error)}, 401)
        if (request.method, request.path) == ("GET", f"{BELOW}/events"):
            return self._events(int(request.args.get("after") or 0), int(request.args["limit"]))
        operation = _OPERATIONS.get(request.path, "")
        if request.method != "POST" or not operation:
            return _json({"reason": "no such request"}, 404)
        if given.get("idempotency-key") != msgspec.json.decode(body, type=_Keyed).key:
            return _json({"reason": "the idempotency key is not the key of what is asked"}, 422)
        status, answer = self.yard.answer(operation, body)
        if status != 200:
            return _json({"reason": answer.decode()}, 422)
        return _json(_state(operation, msgspec.json.decode(answer, type=_Told)))

    def _events(self, after: int, limit: int) -> Response:
        _, answer = self.yard.answer("events", msgspec.json.encode({"after": after, "limit": limit}))
        page = msgspec.json.decode(answer, type=_Page)
        return _json({"events": page.events, "cursor": str(after + len(page.events)), "more": page.more})


class _Keyed(msgspec.Struct):
    key: str


class _Told(msgspec.Struct):
    number: str = ""
    done: bool = False
    asked: bool = False
    reason: str = ""


class _Page(msgspec.Struct):
    events: list[msgspec.Raw]
    more: bool


def _state(operation: str, told: _Told) -> dict[str, str]:
    """Work is only received: its people take it up, and an event says so. A recall is answered as the yard answers."""
    if operation == "release" or told.asked:
        return {"state": "received", "number": told.number}
    return {"state": "accepted"} if told.done else {"state": "refused", "reason": told.reason}


def _json(document: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(document), status, mimetype="application/json")
