"""The far end of a channel's API as a real HTTP server: what all simulators share.

A simulator is as strict as its vendor and keeps the vendor's state: what was ordered, what is on offer, what took
effect. It serves on a real socket, so that a client's timeouts, resets and half answers are real ones too. Only the
demo, `ordersync simulate` and the tests use simulators; no product code does.

A subclass answers requests in `handle(request)` with an ordinary werkzeug response. Faults are injected around it by
`FaultPlan`: those of the wire (throttling, an HTML error page, a cut answer, a reset) here, those that need the
vendor's own words (a repeated page, an expired token, a GraphQL throttle) where the subclass asks
`self.faults.strikes`.
"""

from __future__ import annotations

import abc
import functools
import os
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, Self

import msgspec
from werkzeug.datastructures import Headers
from werkzeug.exceptions import ClientDisconnected, HTTPException
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response


class Fault(StrEnum):
    """A way for the far end to misbehave."""

    THROTTLE = "throttle"
    """429 with Retry-After."""
    THROTTLE_BARE = "throttle_bare"
    """429 without it."""
    HTML_503 = "html_503"
    """A gateway's error page."""
    TRUNCATED = "truncated"
    """The answer stops half-way and the connection closes."""
    RESET = "reset"
    """The connection is reset before the request was looked at."""
    RESET_AFTER_WRITE = "reset_after_write"
    """The request took effect; its answer is lost in a connection reset."""
    REPEATED_PAGE = "repeated_page"
    """A page is served a second time under the next page's token."""
    TOKEN_EXPIRY = "token_expiry"  # noqa: S105 - the name of a fault
    """The access token dies early, in the middle of a pull."""
    HINT_LOST = "hint_lost"
    """A call or message about a change is never made."""
    HINT_TWICE = "hint_twice"
    """It is made twice."""
    HINT_LATE = "hint_late"
    """It is made ten minutes later."""
    HINT_OUT_OF_ORDER = "hint_out_of_order"
    """Later ones overtake it."""


ABOUT_HINTS = frozenset((Fault.HINT_LOST, Fault.HINT_TWICE, Fault.HINT_LATE, Fault.HINT_OUT_OF_ORDER))
"""Faults of what the channel tells by itself; the others are of what it answers."""


class FaultPlan:
    """When which fault strikes: a seed and a probability a request for each fault.

    The same seed and the same order of requests give the same faults. `heal()` ends them all.
    """

    def __init__(self, seed: int = 0, rates: Mapping[Fault, float] | None = None) -> None:
        self.seed = seed
        self.rates: Mapping[Fault, float] = dict(rates or {})
        self._random = {fault: random.Random(f"{seed}/{fault}") for fault in Fault}  # noqa: S311 - a seeded plan
        self._lock = threading.Lock()
        self.struck: Counter[Fault] = Counter()

    @classmethod
    def ordinary_bad_day(cls, seed: int = 0) -> FaultPlan:
        """A few per cent of everything: what the demo and the crash test run under."""
        return cls(seed, dict.fromkeys(Fault, 0.02))

    def strikes(self, fault: Fault) -> bool:
        """Whether `fault` happens now; drawing it counts it as having happened."""
        with self._lock:
            hit = self._random[fault].random() < self.rates.get(fault, 0.0)
            self.struck[fault] += hit
            return hit

    def set(self, rates: Mapping[Fault, float]) -> None:
        """From now on these probabilities, and none for the faults left out."""
        with self._lock:
            self.rates = dict(rates)

    def heal(self) -> None:
        """No more faults."""
        self.set({})


class SimulatedListing(msgspec.Struct, frozen=True, kw_only=True):
    """One thing on offer at the simulated channel. `quantities` is by place; see `Simulator.places`."""

    sku: str
    title: str
    price: Decimal
    quantities: Mapping[str, int]
    by_channel: bool = False
    """Fulfilled by the channel itself (FBA, WFS)."""


class SimulatedLine(msgspec.Struct, frozen=True, kw_only=True):
    """What a simulated buyer takes: `sku` need not be on offer (a listing deleted meanwhile)."""

    sku: str
    quantity: int
    price: Decimal | None = None
    """None: the listing's price, or 10.00 where there is none."""


class SimulatedOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order a simulated buyer places."""

    lines: tuple[SimulatedLine, ...]
    name: str = "Ada Lovelace"
    email: str = "ada@example.test"
    line1: str = "1 Analytical Way"
    city: str = "Kansas City"
    region: str = "MO"
    postal_code: str = "64106"
    pending: bool = False
    """Payment not confirmed yet; `Simulator.confirm` ends it."""
    by_channel: bool = False
    """Fulfilled by the channel itself, where the channel has that."""
    placed_at: datetime | None = None
    """None: now."""


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """One shipment that took effect at the channel; an edit of its tracking replaces it, a second effect adds one."""

    order: str
    tracking: str
    carrier: str
    lines: Mapping[str, int]
    """Units by SKU."""


class RefundEffect(msgspec.Struct, frozen=True, kw_only=True):
    """One refund that took effect at the channel, whoever decided it."""

    order: str
    number: str
    """The channel's number of it."""
    amount: Decimal
    """All that the buyer got back by it, taxes included."""
    lines: Mapping[str, int] = msgspec.field(default_factory=dict)
    """Units by SKU; empty where money was given back without units."""


class OrderTruth(msgspec.Struct, frozen=True, kw_only=True):
    """How an order stands at the simulated channel. Counts are by SKU."""

    number: str
    ordered: Mapping[str, int]
    cancelled: Mapping[str, int]
    shipped: Mapping[str, int]
    acknowledged: bool
    by_channel: bool
    refunded: Decimal = Decimal(0)
    """All that the buyer got back, taxes included."""


class Service(abc.ABC):
    """A far end on a real socket, with its faults. All methods may be called from any thread while it serves."""

    def __init__(self, *, name: str, faults: FaultPlan | None = None, seed: int = 0) -> None:
        self.name = name
        self.faults = faults or FaultPlan()
        self.random = random.Random(f"{self.name}/{seed}")  # noqa: S311 - simulated data
        self.lock = threading.RLock()
        self.calls: Counter[str] = Counter()
        """Requests answered, by operation; subclasses count theirs with the vendor's operation name."""
        self.violations: Counter[str] = Counter()
        """Requests beyond the usage plan, by operation: refused, and the client's own fault."""
        self._server: BaseWSGIServer | None = None

    @abc.abstractmethod
    def handle(self, request: Request) -> Response:
        """Answers one request as the vendor would."""

    def start(self, port: int = 0) -> str:
        """Serves on the loopback interface; returns the base URL."""
        self._server = make_server("127.0.0.1", port, self._answer, threaded=True, request_handler=_Handler)
        serve = functools.partial(self._server.serve_forever, poll_interval=0.02)  # how soon it heeds stop()
        threading.Thread(target=serve, name=f"simulator-{self.name}", daemon=True).start()
        return self.base_url

    def stop(self) -> None:
        """Stops serving; its state stays and `start` may be called again."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    @property
    def base_url(self) -> str:
        if self._server is None:
            raise RuntimeError(f"the simulator {self.name} is not started")
        return f"http://127.0.0.1:{self._server.server_port}"

    def now(self) -> datetime:
        return datetime.now(UTC)

    def is_write(self, request: Request) -> bool:
        """Whether a request may change state; a subclass whose reads are POSTs overrides it."""
        return request.method not in ("GET", "HEAD")

    def throttled(self, after: int | None) -> Response:
        """The vendor's own refusal for too many requests."""
        response = Response('{"errors":[{"code":"TOO_MANY_REQUESTS"}]}', 429, mimetype="application/json")
        if after is not None:
            response.headers["Retry-After"] = str(after)
        return response

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = Request(environ)
        request.headers = Headers(environ["simulation.headers"])
        try:
            request.get_data(cache=True, parse_form_data=False)
        except ClientDisconnected:  # a client killed in mid-request asks for nothing
            return _drop(environ)
        strikes = self.faults.strikes
        if strikes(Fault.RESET):
            return _drop(environ)
        if strikes(Fault.HTML_503):
            response = Response("<html><body>Service Unavailable</body></html>", 503, mimetype="text/html")
        elif strikes(Fault.THROTTLE):
            response = self.throttled(1)
        elif strikes(Fault.THROTTLE_BARE):
            response = self.throttled(None)
        else:
            try:
                response = self.handle(request)
            except HTTPException as error:
                response = error.get_response(environ)
            if self.is_write(request) and strikes(Fault.RESET_AFTER_WRITE):
                return _drop(environ)
            if strikes(Fault.TRUNCATED) and len(response.get_data()) > 1:
                return _cut(response, environ, start_response)
        return response(environ, start_response)


class Simulator(Service):
    """The far end of one seller account.

    Stock falls at the channel when an order is placed and rises when it is cancelled, as at the vendor. All methods
    below may be called from any thread while it serves.
    """

    connector: str
    """The registered name of the connector that speaks to it."""

    places: tuple[str, ...] = ("",)
    """The channel's own location ids; one empty id where it keeps one level a listing."""

    faults_known: ClassVar[tuple[str, ...]] = tuple(Fault)
    """The faults it can be told to have, by name."""

    rehearsal: ClassVar[Mapping[str, Any]] = {}
    """Constructor arguments that turn the vendor's clock fast enough for a rehearsal of a minute. The rules stay."""

    hardest: ClassVar[Mapping[str, Any]] = {}
    """Constructor arguments for the hardest of the vendor's ways, where it has several: what a rehearsal plays."""

    def __init__(
        self,
        *,
        name: str = "",
        listings: Iterable[SimulatedListing] = (),
        faults: FaultPlan | None = None,
        seed: int = 0,
    ) -> None:
        """`name` tells accounts of one channel apart; it becomes part of generated ids, shop names and secrets."""
        super().__init__(name=name or self.connector, faults=faults, seed=seed)
        for listing in listings:
            self.offer(listing)

    # The far end's people: buyers, sellers and auditors.

    @abc.abstractmethod
    def offer(self, listing: SimulatedListing) -> None:
        """Puts a listing on offer, or replaces it."""

    @abc.abstractmethod
    def place(self, order: SimulatedOrder) -> str:
        """A buyer orders: levels fall (never below zero), the order's number is returned."""

    @abc.abstractmethod
    def cancel(self, number: str, *, sku: str | None = None, quantity: int | None = None) -> None:
        """A buyer cancels an order, one SKU of it, or some units of one: only what has not shipped. Levels rise."""

    @abc.abstractmethod
    def confirm(self, number: str) -> None:
        """A pending order's payment arrives."""

    @abc.abstractmethod
    def drift(self, number: str) -> None:
        """The vendor writes this one order in a new way from now on, as no document was written before: an amount with
        its currency in it, a count that has become a table. Whoever reads it has to set it aside; `mend` ends that.

        Nothing else of the order changes, not even when it was changed last.
        """

    @abc.abstractmethod
    def mend(self, number: str) -> None:
        """The order is written as all are."""

    @abc.abstractmethod
    def truths(self) -> dict[str, OrderTruth]:
        """Every order by its number, as it stands."""

    @abc.abstractmethod
    def effects(self) -> Sequence[Effect]:
        """Every shipment that took effect, oldest first."""

    def refunds(self) -> Sequence[RefundEffect]:
        """Every refund that took effect, oldest first; none where the channel has no refunds."""
        return ()

    @abc.abstractmethod
    def levels(self) -> dict[tuple[str, str], int]:
        """What is on offer now by (SKU, place), the channel's own fulfilment left out."""

    @abc.abstractmethod
    def config(self) -> dict[str, Any]:
        """The keys of a `config/channels/<name>.toml` that point a connector here; secrets as references."""

    @abc.abstractmethod
    def secrets(self) -> dict[str, str]:
        """The values behind the references of `config`, as environment variables."""

    @abc.abstractmethod
    def send_back(self, number: str, sku: str, quantity: int) -> str:
        """A buyer asks to send back units that have shipped; the return's number is returned."""

    def own_stock(self) -> dict[str, int]:
        """What can be sold out of the channel's own warehouses, by SKU; nothing where it has none."""
        return {}

    def suffer(self, rates: Mapping[str, float]) -> None:
        """From now on these faults, by name, with this probability a request each, and no others."""
        self.faults.set({Fault(name): rate for name, rate in rates.items()})

    def route(self, outside: str, inside: str) -> None:
        """Where the https address `outside` leads on this machine, for what the channel tells by itself."""

    def settle_feeds(self) -> None:
        """Lets asynchronous work that waits for its time finish at once; nothing where there is none."""

    @classmethod
    def furnished(cls, name: str = "", *, seed: int = 0, faulty: bool = False, hurried: bool = True) -> Self:
        """An account with a few things on offer. `faulty`: under an ordinary bad day; `hurried`: see `rehearsal`."""
        faults = FaultPlan.ordinary_bad_day(seed) if faulty else None
        account = cls(name=name, faults=faults, seed=seed, **(cls.rehearsal if hurried else {}))
        for number in range(1, 13):
            account.offer(
                SimulatedListing(
                    sku=f"SIM-{number:02d}",
                    title=f"Simulated thing {number}",
                    price=Decimal(account.random.randrange(500, 5000)) / 100,
                    quantities=dict.fromkeys(account.places, 25),
                )
            )
        return account

    def let_buyers_order(self, count: int = 1) -> list[str]:
        """So many buyers order one to three of the things on offer; returns their orders' numbers."""
        numbers = []
        for _ in range(count):
            with self.lock:
                skus = sorted({sku for sku, _ in self.levels()})
                taken = self.random.sample(skus, min(len(skus), self.random.randint(1, 3)))
                lines = tuple(SimulatedLine(sku=sku, quantity=self.random.randint(1, 2)) for sku in taken)
            numbers.append(self.place(SimulatedOrder(lines=lines)))
        return numbers


class _Dropped(ConnectionError):
    """Raised through the server to end a connection without another byte."""


def _drop(environ: dict[str, Any]) -> Iterable[bytes]:
    """Resets the connection: the client sees ECONNRESET, not a clean end."""
    connection: socket.socket = environ["werkzeug.socket"]
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(connection.detach())  # closed here, as the server would say goodbye first
    raise _Dropped


def _cut(response: Response, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Promises the whole length, sends half of it, and ends the connection."""
    whole = response.get_data()
    start_response(response.status, response.headers.to_wsgi_list())
    yield whole[: len(whole) // 2]
    raise _Dropped


class _Handler(WSGIRequestHandler):
    """Silent, ends the connection when a fault wants it, and keeps every header under its own name.

    A WSGI environment has no place for names with an underscore, which some vendors' headers have.
    """

    def make_environ(self) -> dict[str, Any]:
        return {**super().make_environ(), "simulation.headers": list(self.headers.items())}

    def log(self, type: str, message: str, *args: Any) -> None:
        return

    def connection_dropped(self, error: BaseException, environ: Any = None) -> None:
        self.close_connection = True
