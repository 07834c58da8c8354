"""Every request that a simulator takes anywhere in the suite, and its answer, judged by the vendor's own spec.

In force for the whole suite (`conftest.py`): whatever a test is about, it fails where a connector said what the vendor
would not understand, or a simulator answered what the vendor would not. A request that a simulator refuses is not
judged; a large answer is judged once for each operation and status of a test. A test in which one side strays on
purpose says so: `@pytest.mark.strays("why")`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from werkzeug.wrappers import Request, Response

from tests import specs
from tests.specs import Spec, SpecViolation, check_request, check_response

Verdict = Callable[[Request, bytes, Response], list[str]]

LARGE = 4_000
"""Bytes from which on an answer is large."""


class Judge:
    """What was found wrong since it was last asked."""

    def __init__(self) -> None:
        self.judged = 0
        self._wrong: list[str] = []
        self._seen: set[Any] = set()
        self._lock = threading.Lock()

    def sit(self, kind: type[Any], verdict: Verdict) -> None:
        """From now on all that passes simulators of this kind is judged."""
        plain = kind.handle

        def handle(simulator: Any, request: Request) -> Response:
            body = request.get_data()
            response: Response = plain(simulator, request)
            with self._lock:
                self.judged += 1
            found = verdict(request, body, response)
            if found:
                with self._lock:
                    self._wrong += found
            return response

        kind.handle = handle

    def is_first(self, key: Any) -> bool:
        """Whether this is the first answer of its sort since the judge was last asked."""
        with self._lock:
            known = key in self._seen
            self._seen.add(key)
        return not known

    def asked(self) -> list[str]:
        """What was wrong, each thing once; forgotten by this."""
        with self._lock:
            wrong, self._wrong = list(dict.fromkeys(self._wrong)), []
            self._seen.clear()
        return wrong


def by_specs(judge: Judge, names: Sequence[str], differences: Sequence[str]) -> Verdict:
    """A verdict by REST specs; `differences` are parts of what is known to differ, and no fault."""
    found: list[Spec] = [specs.load(name) for name in names]

    def verdict(request: Request, body: bytes, response: Response) -> list[str]:
        method, path = request.method, urlsplit(request.environ["RAW_URI"]).path
        spec = next((one for one in found if one.find(method, path)), None)
        if spec is None:
            refused = response.status_code in (404, 405)
            wrong = [] if refused else [f"{method} {path}: no such path in any spec"]
        else:
            wrong = []
            if response.status_code < 400:
                pairs = [(name, value) for name, values in request.args.lists() for value in values]
                wrong += _faults(lambda: check_request(spec, method, path, pairs, dict(request.headers), body))
            answer = response.get_data()
            route = spec.find(method, path)
            if len(answer) < LARGE or judge.is_first((spec.name, method, route and route[0], response.status_code)):
                kind = response.content_type or ""
                code = response.status_code
                wrong += _faults(lambda: check_response(spec, method, path, code, answer, content_type=kind))
        return [line for line in wrong if not any(part in line for part in differences)]

    return verdict


def _faults(check: Callable[[], None]) -> list[str]:
    try:
        check()
    except SpecViolation as violation:
        return str(violation).splitlines()
    return []


def by_schema(judge: Judge, path: str, faults: Callable[[dict[str, Any], dict[str, Any]], list[str]]) -> Verdict:
    """A verdict by a GraphQL schema, of what is said at `path`."""

    def verdict(request: Request, body: bytes, response: Response) -> list[str]:
        if request.path != path or response.status_code != 200:
            return []
        answer = json.loads(response.get_data())
        if answer.get("errors") or answer.get("data") is None:
            return []  # refused
        asked = json.loads(body)
        if len(response.get_data()) >= LARGE and not judge.is_first(asked["query"]):
            answer = None
        return faults(asked, answer)

    return verdict


@cache
def present() -> bool:
    """Whether the vendors' specs are here."""
    return specs.FOLDER.is_dir()
