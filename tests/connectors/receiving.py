"""A bare address that vendors' calls arrive at, behind the proxy that a simulator is told of by `route`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from core.model import Call

OUTSIDE = "https://hooks.example.test"
ADDRESS = f"{OUTSIDE}/hooks/shop"


class Receiving:
    """What arrived, in its order. `status` is what the address answers."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.status = 200
        self.inside = ""
        self._news = threading.Condition()

    def arrive(self, call: Call) -> int:
        with self._news:
            self.calls.append(call)
            self._news.notify_all()
            return self.status

    def until(self, there: Callable[[list[Call]], Any], seconds: float = 30.0) -> list[Call]:
        """All that arrived, once that is what is waited for."""
        with self._news:
            assert self._news.wait_for(lambda: there(self.calls), timeout=seconds), [c.headers for c in self.calls]
            return list(self.calls)


@contextmanager
def receiving() -> Iterator[Receiving]:
    found = Receiving()

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status = found.arrive(Call(body=body, headers=headers, at=datetime.now(UTC)))
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    found.inside = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
