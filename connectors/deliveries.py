"""A simulated vendor's calls: events POSTed to the addresses that were subscribed, by threads of their own.

Each event is delivered once for each subscription, tried again by the vendor's own schedule while it is not answered
2xx in time, and given up in the end. The `FaultPlan` makes deliveries get lost, come twice, late or out of order: all
of what vendors say of theirs, and none of it is anybody's mistake.

A vendor reaches `https://` addresses only. What stands behind such an address, on the machine of a test, is what its
operator's proxy makes of it: `route` says so.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx
import msgspec

from connectors.simulation import Fault, FaultPlan

SENDERS = 4
"""Deliveries under way at once."""


class Delivery(msgspec.Struct, kw_only=True):
    """One event on its way to one address."""

    subscription: str
    url: str
    body: bytes
    headers: Mapping[str, str]
    tries: int = 0


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How one try ended: a status, or 0 where there was none in time."""

    delivery: Delivery
    status: int


class Deliveries:
    """What is on its way. `waits`: seconds before each further try; `speed` divides them, and the faults' delays."""

    def __init__(
        self,
        faults: FaultPlan,
        *,
        waits: Sequence[float],
        speed: float = 1.0,
        patience: float = 5.0,
        given_up: Callable[[Delivery], None] = lambda delivery: None,
        delivered: Callable[[Delivery], None] = lambda delivery: None,
    ) -> None:
        self._faults = faults
        self._waits = tuple(waits)
        self._speed = speed
        self._patience = patience
        self._given_up = given_up
        self._delivered = delivered
        self._routes: dict[str, str] = {}
        self._due: list[tuple[float, int, Delivery]] = []
        self._order = itertools.count()
        self._news = threading.Condition()
        self._under_way = 0
        self._threads: list[threading.Thread] = []
        self._stopping = False
        self.tried: list[Outcome] = []

    def route(self, outside: str, inside: str) -> None:
        """Whatever is sent to the https host `outside` ("*": any) goes to `inside`, as by a proxy that speaks TLS."""
        self._routes[outside.removeprefix("https://").rstrip("/")] = inside.rstrip("/")

    def send(self, delivery: Delivery) -> None:
        """An event happened: it is delivered in a moment."""
        strikes = self._faults.strikes
        if strikes(Fault.HINT_LOST):
            return
        wait = 0.0
        if strikes(Fault.HINT_LATE):
            wait = 600.0 / self._speed
        elif strikes(Fault.HINT_OUT_OF_ORDER):
            wait = 20.0 / self._speed
        self._put(delivery, wait)
        if strikes(Fault.HINT_TWICE):
            self._put(msgspec.structs.replace(delivery), wait)

    def start(self) -> None:
        """Begins to deliver; what happened meanwhile goes first."""
        self._stopping = False
        self._threads = [threading.Thread(target=self._work, name="deliveries", daemon=True) for _ in range(SENDERS)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends, with whatever is still on its way kept for the next start."""
        with self._news:
            self._stopping = True
            self._news.notify_all()
        for thread in self._threads:
            thread.join()
        self._threads = []

    def settle(self, seconds: float = 30.0) -> bool:
        """Waits until nothing is on its way any more; False where that takes too long."""
        with self._news:
            return self._news.wait_for(lambda: not self._due and not self._under_way, timeout=seconds)

    def _put(self, delivery: Delivery, wait: float) -> None:
        with self._news:
            heapq.heappush(self._due, (time.monotonic() + wait, next(self._order), delivery))
            self._news.notify()

    def _work(self) -> None:
        with httpx.Client(timeout=self._patience, trust_env=False, follow_redirects=False) as client:
            while (delivery := self._next()) is not None:
                try:
                    self._try(client, delivery)
                finally:
                    with self._news:
                        self._under_way -= 1
                        self._news.notify_all()

    def _next(self) -> Delivery | None:
        with self._news:
            while not self._stopping:
                now = time.monotonic()
                if self._due and self._due[0][0] <= now:
                    self._under_way += 1
                    return heapq.heappop(self._due)[2]
                self._news.wait(self._due[0][0] - now if self._due else None)
            return None

    def _try(self, client: httpx.Client, delivery: Delivery) -> None:
        delivery.tries += 1
        status = self._post(client, delivery)
        self.tried.append(Outcome(delivery=delivery, status=status))
        if 200 <= status < 300:
            self._delivered(delivery)
        elif delivery.tries <= len(self._waits):
            self._put(delivery, self._waits[delivery.tries - 1] / self._speed)
        else:
            self._given_up(delivery)

    def _post(self, client: httpx.Client, delivery: Delivery) -> int:
        """The status in the end; 0 where nobody answers, or nobody is there."""
        url = httpx.URL(delivery.url)
        inside = self._routes.get(url.netloc.decode(), self._routes.get("*"))
        if url.scheme != "https" or inside is None:
            return 0
        content: dict[str, Any] = {"content": delivery.body, "headers": {**delivery.headers, "host": url.host}}
        try:
            return client.post(f"{inside}{url.raw_path.decode()}", **content).status_code
        except httpx.HTTPError:
            return 0
