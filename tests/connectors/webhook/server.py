"""A warehouse's HTTP service on a real socket, as strict as the format says, over the sandbox's yard."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from connectors.sandbox_warehouse import Yard
from connectors.webhook import signing
from core.errors import Forged, Stale
from core.model import Call
from tests.core.warehouses.yards import SandboxYard, There

SECRET = "0123456789abcdef0123456789abcdef"


class Service(SandboxYard):
    """`garbled` events are told as they are; every request is checked before it is looked at."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name
        self.asked: Counter[str] = Counter()
        self.refused: list[str] = []
        self._fails = ""
        self._server = make_server("127.0.0.1", 0, self._serve, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/wms"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        Yard.forget(self.name)

    def fail(self, how: str | None) -> bool:
        self._fails = how or ""
        return True

    def works(self) -> Mapping[str, There]:
        return super().works()

    def call(self, *, forged: bool = False, stale: bool = False) -> Call:
        body = json.dumps({"events": [json.loads(one) for one in self.own._events]}).encode()
        at = datetime.now(UTC) - timedelta(days=3 if stale else 0)
        headers = signing.headers(SECRET, int(at.timestamp()), "POST", "/warehouses/depot", body)
        return Call(body=body + b" " if forged else body, headers=headers, at=datetime.now(UTC))

    def _serve(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        request = Request(environ)
        body = request.get_data()
        return self._answer(request, body)(environ, start)

    def _answer(self, request: Request, body: bytes) -> Response:
        if self._fails == "unavailable":
            return Response("{}", 503, mimetype="application/json")
        path = request.environ["RAW_URI"]
        given = {name.lower(): value for name, value in request.headers.items()}
        try:
            signing.check(SECRET, given, datetime.fromtimestamp(time.time(), UTC), request.method, path, body)
        except (Forged, Stale) as error:
            self.refused.append(str(error))
            return Response("{}", 401, mimetype="application/json")
        if self._fails == "unauthorized":
            return Response("{}", 401, mimetype="application/json")
        self.asked[f"{request.method} {request.path}"] += 1
        if (request.method, request.path) == ("GET", "/wms/events"):
            return self._events(int(request.args["after"] or 0), int(request.args["limit"]))
        key = given.get("idempotency-key", "")
        known = {"/wms/work": "release", "/wms/recalls": "recall"}
        if request.method != "POST" or request.path not in known or not key or json.loads(body)["key"] != key:
            return Response('{"reason": "no such request"}', 404, mimetype="application/json")
        status, answer = self.own.answer(known[request.path], body)
        if self._fails == "lost answer":
            return Response("{", 200, mimetype="application/json")
        if status != 200:
            reason = json.dumps({"reason": answer.decode()})
            return Response(reason, 422, mimetype="application/json")
        told = json.loads(answer)
        state = "received" if request.path == "/wms/work" or told.get("asked") else "accepted"
        if request.path == "/wms/recalls" and not told.get("done") and not told.get("asked"):
            state = "refused"
        said = {"state": state, "reason": told.get("reason", ""), "number": told.get("number", "")}
        return Response(json.dumps(said), mimetype="application/json")

    def _events(self, after: int, limit: int) -> Response:
        found = self.own._events[after : after + limit]
        more = after + limit < len(self.own._events)
        page = {"events": [msgspec.Raw(one) for one in found], "cursor": str(after + len(found)), "more": more}
        return Response(msgspec.json.encode(page), mimetype="application/json")
