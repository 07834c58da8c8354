"""The one way to the network: an httpx client whose wire is careful.

`client()` gives an ordinary `httpx.Client`, so any SDK that takes one gets all of this without knowing:

- a total deadline for each exchange, however slowly the far end drips;
- the whole body read and, where it calls itself JSON, seen to be whole, before anyone gets a response;
- typed errors instead of statuses: an outage can never read as an empty answer or a confirmation;
- retries of what may be repeated, bounded, with jitter, honouring Retry-After; a write whose answer was lost is not
  repeated here but raised as ambiguous, for the caller to read back first;
- a budget for each operation of the account, corrected by what answers say; a long wait is raised, not slept;
- one refresh of the token for a request, on its first 401, then one more try; no token, no request: that is never
  ambiguous, and not tried again here, as whoever fetches tokens has tried;
- nothing secret and nothing of a buyer in any message: URLs without their query, bodies never. The log lines of httpx
  lose their queries too, and those of httpcore, which hold headers, are turned off.

Statuses: 2xx (but 206) and the connector's `expect` are returned; 401 and 403 raise `Unauthorized`, 404 and 410
`NotFound`, 429 `Throttled`, 408, 425 and 5xx `Unavailable`, all others `Rejected`.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import httpx
import msgspec
import structlog
import tenacity

from core import answers, sockets
from core.budgets import Budget, Budgets, Reading
from core.credentials import Tokens
from core.errors import NotFound, Rejected, Throttled, Unauthorized, Unavailable
from core.guard import forbid_in_transaction

T = TypeVar("T")

_log = structlog.get_logger("ordersync")

DEADLINE = 30.0
"""Seconds one exchange may take in all, from connecting to the last byte."""

PATIENCE = 10.0
"""The longest wait, in seconds, that is slept on the spot; a longer one is raised as `Unavailable(after)`."""

CLOCK_OFF = 5.0
"""Seconds this machine's clock may differ from the far end's before that is told."""

ATTEMPTS = 4
"""Tries of one request in all."""

Authorise = Callable[[httpx.Request, bool], None]
"""Puts the account's credentials on a request; the flag asks for a token newer than the last one."""


_kept: ContextVar[int] = ContextVar("kept", default=0)


@contextmanager
def sparing(keep: int) -> Iterator[None]:
    """Requests made in here leave `keep` of their operation's burst to others: history goes behind the live pull.

    One that would take more is not made: it raises `Throttled(after)`, however soon the budget could have paid it.
    """
    before = _kept.set(keep)
    try:
        yield
    finally:
        _kept.reset(before)


def client(
    account: str,
    *,
    authorise: Authorise | None = None,
    operation: Callable[[httpx.Request], str] = lambda request: "",
    budgets: Budgets | Mapping[str, Budget] | None = None,
    cost: Callable[[httpx.Request], float] = lambda request: 1.0,
    reading: Callable[[httpx.Response], Reading | None] = lambda response: None,
    expect: Collection[int] = (),
    stale: Callable[[httpx.Response], bool] = lambda response: False,
    safe: Callable[[httpx.Request], bool] = lambda request: request.method in ("GET", "HEAD"),
    verdict: Callable[[httpx.Response], None] = lambda response: None,
    cure: str = "renew them and restart",
    deadline: float = DEADLINE,
    transport: httpx.BaseTransport | None = None,
    sleep: Callable[[float], None] | None = None,
) -> httpx.Client:
    """An httpx client for one account.

    `operation` names a request for its budget in `budgets` (the account's own, of its keeper, or a plan for this client
    alone); a name without a budget is not limited. `cost` is what a request may take of it, `reading` what an answer
    says of it. `expect` lists
    the 4xx statuses the connector reads itself. `stale` says which 403s mean an expired token, where the channel
    does not answer 401. `safe` says which requests may be repeated although an earlier
    try may have taken effect; `request.extensions["safe"]`, when there, overrules it. `verdict` raises what a status
    does not say, for channels that hide a refusal inside a 200; what it raises is retried like any other failure.
    `cure` says what a person does about refused credentials.
    A `transport` of the connector's own should wrap `core.sockets.transport()`, which is what keeps the deadline.
    """
    _keep_logs_clean()
    wire = Wire(
        account,
        inner=transport or sockets.transport(),
        authorise=authorise,
        operation=operation,
        budgets=budgets if isinstance(budgets, Budgets) else Budgets().plan(budgets or {}),
        cost=cost,
        reading=reading,
        expect=frozenset(expect),
        stale=stale,
        safe=safe,
        verdict=verdict,
        cure=cure,
        deadline=deadline,
        sleep=sleep or (lambda seconds: pause(seconds)),
    )
    return httpx.Client(
        transport=wire,
        headers={"accept-encoding": "gzip"},  # the one encoding whose end is checked
        timeout=deadline,
        follow_redirects=False,
        trust_env=False,
    )


def pause(seconds: float) -> None:
    """How the wire waits between tries, looked up at each wait: the switch for tests that cannot hand in `sleep`."""
    time.sleep(seconds)


def decode(response: httpx.Response, shape: type[T], *, strict: bool = True, wrote: bool = False) -> T:
    """The body of an answer as `shape`. One that does not fit is no answer: `Unavailable`, never an empty value.

    `wrote`: the request changed something, so the error is ambiguous.
    """
    try:
        return msgspec.json.decode(response.content, type=shape, strict=strict)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unavailable(
            f"{_place(response.request)} answered what cannot be read: {error}", ambiguous=wrote
        ) from None


class Wire(httpx.BaseTransport):
    """The careful transport behind `client`; see the module."""

    def __init__(
        self,
        account: str,
        *,
        inner: httpx.BaseTransport,
        authorise: Authorise | None,
        operation: Callable[[httpx.Request], str],
        budgets: Budgets,
        cost: Callable[[httpx.Request], float],
        reading: Callable[[httpx.Response], Reading | None],
        expect: frozenset[int],
        stale: Callable[[httpx.Response], bool],
        safe: Callable[[httpx.Request], bool],
        verdict: Callable[[httpx.Response], None],
        cure: str,
        deadline: float,
        sleep: Callable[[float], None],
    ) -> None:
        self._account = account
        self._inner = inner
        self._authorise = authorise
        self._operation = operation
        self.clock_off: float | None = None
        """Seconds our clock was ahead of the far end's at the last answer that told a time."""
        self._budgets = budgets
        self._cost = cost
        self._reading = reading
        self._expect = expect
        self._stale = stale
        self._safe = safe
        self._verdict = verdict
        self._cure = cure
        self._deadline = deadline
        self._sleep = sleep

    def close(self) -> None:
        self._inner.close()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        forbid_in_transaction(f"a request to {_place(request)}")
        request.read()  # a body in memory can be sent again
        safe = bool(request.extensions.get("safe", self._safe(request)))
        lost = False

        def attempt(credentials: _Credentials) -> httpx.Response:
            """Where one try may have taken effect, that a later one did not get there says nothing of it."""
            nonlocal lost
            try:
                return self._attempt(request, credentials)
            except Unavailable as error:
                lost = error.ambiguous = lost or error.ambiguous
                raise

        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception(lambda error: _worth_another_try(error, safe)),
            wait=_wait,
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return attempts(attempt, _Credentials(self._authorise))
        except Throttled as error:
            if error.after is None:
                error.after = self._budgets.wait(self._operation(request), self._cost(request))
            raise

    def _attempt(self, request: httpx.Request, credentials: _Credentials) -> httpx.Response:
        credentials.put_on(request)
        try:
            return self._exchange(request)
        except Unauthorized as error:
            if error.forbidden or not credentials.renew(request):
                raise
        return self._exchange(request)

    def _exchange(self, request: httpx.Request) -> httpx.Response:
        name, cost = self._operation(request), self._cost(request)
        self._pay(name, cost)
        reading: Reading | None = None
        try:
            whole = self._sent(request)
            reading = self._read(whole)
        finally:
            self._budgets.answered(name, cost, reading)
        self._judge(request, whole, reading)
        return whole

    def _sent(self, request: httpx.Request) -> httpx.Response:
        """The whole answer, whatever it says."""
        ends = time.monotonic() + self._deadline
        sent = time.time()
        try:
            with sockets.within(self._deadline):
                response = self._inner.handle_request(request)
                try:
                    body = answers.body(response, ends)
                finally:
                    response.close()
        except (httpx.LocalProtocolError, httpx.UnsupportedProtocol) as error:
            raise Rejected(f"{_place(request)} cannot be asked so ({type(error).__name__}); check base_url") from None
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise Unavailable(f"{_place(request)} cannot be reached ({type(error).__name__})") from None
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise Unavailable(
                f"{_place(request)} broke off its answer ({type(error).__name__})", ambiguous=True
            ) from None
        headers = [
            (name, value)
            for name, value in response.headers.raw
            if name.lower() not in (b"content-encoding", b"content-length", b"transfer-encoding")
        ]
        whole = httpx.Response(
            response.status_code,
            headers=headers,
            content=body,
            extensions=response.extensions,
            request=request,
        )
        self._compare_clocks(answers.clock_off(whole, sent, time.time()))
        return whole

    def _compare_clocks(self, off: float | None) -> None:
        """One line when this machine's clock begins to differ from the far end's."""
        if off is None:
            return
        if abs(off) > CLOCK_OFF >= abs(self.clock_off or 0.0):
            _log.warning("this machine's clock is off; let NTP set it", channel=self._account, seconds_ahead=round(off))
        self.clock_off = off

    def _pay(self, name: str, cost: float) -> None:
        """Takes the request's cost from the operation's budget; waits for it when that is not long."""
        keep = _kept.get()
        patience = 0.0 if keep else PATIENCE
        wait = self._budgets.take(name, cost, patience=patience, keep=keep)
        if wait > patience:
            if keep:
                raise _Spared(f"the budget of {name} has nothing to spare", after=wait)
            raise Throttled(f"the budget of {name or 'requests'} is spent", after=wait)
        if wait > 0:
            self._sleep(wait)

    def _read(self, response: httpx.Response) -> Reading | None:
        """What an answer says of its budget. One that says only that there is none left means just that."""
        reading = self._reading(response)
        if response.status_code != 429:
            return reading
        told = reading or Reading()
        wait = answers.retry_after(response)
        return msgspec.structs.replace(told, left=0.0, wait=told.wait if wait is None else wait)

    def _judge(self, request: httpx.Request, response: httpx.Response, reading: Reading | None) -> None:
        """Raises what the answer means, or returns when it may be used."""
        status, where = response.status_code, _place(request)
        if status in self._expect or (200 <= status < 300 and status != 206):
            answers.must_be_whole(where, response)
            self._verdict(response)
            return
        if status == 401 or (status == 403 and self._stale(response)):
            raise Unauthorized(f"{where} refused the credentials of {self._account}; {self._cure}")
        if status == 403:
            raise Unauthorized(
                f"{where} forbids this to {self._account}; grant its app the missing scope or role", forbidden=True
            )
        if status in (404, 410):
            raise NotFound(f"{where} answered {status}")
        if status == 429:
            raise Throttled(f"{where} asks to slow down", after=None if reading is None else reading.wait)
        if status in (206, 408, 425) or status >= 500:
            raise Unavailable(
                f"{where} answered {status}", after=answers.retry_after(response), ambiguous=status != 425
            )
        if 300 <= status < 400:
            raise Rejected(f"{where} redirects elsewhere; credentials are not sent on; check base_url", status=status)
        raise Rejected(f"{where} answered {status}", status=status, body=response.content)


class _NoToken(Unavailable):
    """The credentials could not be had, so the request was never sent."""


class _Spared(Throttled):
    """What the budget could have paid is kept for others: not waited for here."""


class _Credentials:
    """One request's credentials: put on before each try, renewed at most once."""

    def __init__(self, authorise: Authorise | None) -> None:
        self._authorise = authorise
        self._renewed = False

    def put_on(self, request: httpx.Request, *, fresh: bool = False) -> None:
        if self._authorise is None:
            return
        try:
            self._authorise(request, fresh)
        except Unavailable as error:
            raise _NoToken(str(error), after=error.after) from None

    def renew(self, request: httpx.Request) -> bool:
        """Puts newer ones on; False when there are none to be had or they were renewed before."""
        if self._authorise is None or self._renewed:
            return False
        self._renewed = True
        self.put_on(request, fresh=True)
        return True


def _worth_another_try(error: BaseException, safe: bool) -> bool:
    if not isinstance(error, Unavailable) or isinstance(error, _NoToken | _Spared):
        return False
    if error.after is not None and error.after > PATIENCE:
        return False
    return safe or not error.ambiguous


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.after if isinstance(error, Unavailable) else None
    if asked is not None:
        return asked
    ceiling: float = min(PATIENCE, 0.25 * 2.0**state.attempt_number)
    return random.uniform(0.05, ceiling)  # noqa: S311 - jitter, not a secret


def _place(request: httpx.Request) -> str:
    """Method, host, port and path: what a message may say of a request. A port its scheme implies is left out."""
    url = request.url
    path = url.raw_path.partition(b"?")[0].decode("ascii")  # as sent: a line break in it stays %0A
    return f"{request.method} {url.netloc.decode('ascii')}{path}"  # netloc: without user and password


def _keep_logs_clean() -> None:
    """httpx logs whole URLs at INFO, httpcore headers at DEBUG: keeps both from every handler there is or will be."""
    logger = logging.getLogger("httpx")
    if _without_query not in logger.filters:
        logger.addFilter(_without_query)
    # Every logger of httpcore is a child of this one and has no level of its own.
    logging.getLogger("httpcore").setLevel(logging.WARNING)


def _without_query(record: logging.LogRecord) -> bool:
    """A filter that shortens the URLs among a record's arguments to scheme, host and path."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            arg.copy_with(username=None, password=None, query=None, fragment=None)
            if isinstance(arg, httpx.URL)
            else arg
            for arg in record.args
        )
    return True


def header(name: str, tokens: Tokens) -> Authorise:
    """An `Authorise` that puts the token into the header `name`."""

    def authorise(request: httpx.Request, fresh: bool) -> None:
        request.headers[name] = tokens.get(newer_than=request.headers.get(name) if fresh else None)

    return authorise


def json_body(value: Any) -> dict[str, Any]:
    """`content` and `headers` of a JSON request, for `client.request(**json_body(...))`."""
    return {"content": msgspec.json.encode(value), "headers": {"content-type": "application/json"}}
