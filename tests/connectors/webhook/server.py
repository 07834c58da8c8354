"""The simulated warehouse as the suite of warehouses sees one: units by SKU, failures, and the calls it would make."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from werkzeug.wrappers import Request, Response

from connectors.sandbox_warehouse import Yard
from connectors.simulated_warehouse import BELOW, SimulatedWarehouse
from connectors.webhook import signing
from core.model import Call
from tests.core.warehouses.yards import SandboxYard, There

SECRET = "0123456789abcdef0123456789abcdef"


class Wire(SimulatedWarehouse):
    """Every request is checked before it is looked at; `fails` is what becomes of its answer."""

    def __init__(self, name: str, yard: Yard) -> None:
        super().__init__(name=name, secret=SECRET, yard=yard)
        self.asked: Counter[str] = Counter()
        self.refused: list[str] = []
        self.fails = ""

    def handle(self, request: Request) -> Response:
        if self.fails == "unavailable":
            return Response("{}", 503, mimetype="application/json")
        answer = super().handle(request)
        if answer.status_code == 401:
            self.refused.append(json.loads(answer.get_data())["reason"])
            return answer
        self.asked[f"{request.method} {request.path}"] += 1
        if self.fails == "unauthorized":
            return Response("{}", 401, mimetype="application/json")
        if self.fails == "lost answer" and request.method == "POST":
            return Response("{", 200, mimetype="application/json")
        return answer


class Service(SandboxYard):
    """`garbled` events are told as they are."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name
        self.wire = Wire(name, self.own)
        self.wire.start()

    @property
    def address(self) -> str:
        return f"{self.wire.base_url}{BELOW}"

    @property
    def asked(self) -> Counter[str]:
        return self.wire.asked

    @property
    def refused(self) -> list[str]:
        return self.wire.refused

    def stop(self) -> None:
        self.wire.stop()
        Yard.forget(self.name)

    def fail(self, how: str | None) -> bool:
        self.wire.fails = how or ""
        return True

    def works(self) -> Mapping[str, There]:
        return super().works()

    def call(self, *, forged: bool = False, stale: bool = False) -> Call:
        body = json.dumps({"events": [json.loads(one) for one in self.own._events]}).encode()
        at = datetime.now(UTC) - timedelta(days=3 if stale else 0)
        headers = signing.headers(SECRET, int(at.timestamp()), "POST", "/warehouses/depot", body)
        return Call(body=body + b" " if forged else body, headers=headers, at=datetime.now(UTC))
