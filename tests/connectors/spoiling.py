"""One operation of a far end spoiled: everything the connector can ask or tell, against answers that are none.

Whatever library builds the request, such an answer never reads as "no orders" and never as "confirmed".
"""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from werkzeug.wrappers import Request, Response

from core.conformance import Conformance
from core.connector import Ability, Connector
from core.errors import ChannelError
from core.model import Ack, AckState, LevelKey
from tests.connectors.farend import SimulatedFarEnd

PACKED = gzip.compress(b'{"orders":[],"data":{},"payload":[],"items":[]}')
MESSAGE = b'{"message":"no"}'


def _json(body: bytes, status: int = 200, **headers: str) -> Callable[[], Response]:
    return lambda: Response(body, status, mimetype="application/json", headers={**headers})


BAD: dict[str, Callable[[], Response]] = {
    "503 with a page of HTML": lambda: Response("<html>Service Unavailable</html>", 503, mimetype="text/html"),
    "500 with nothing": lambda: Response(b"", 500),
    "200 that stops half-way": _json(b'{"orders":[],"data":{"ord'),
    "200 with nothing": _json(b""),
    "200 with half a gzip": lambda: Response(
        PACKED[:-9], 200, mimetype="application/json", headers={"Content-Encoding": "gzip"}
    ),
    "403 with a message": _json(MESSAGE, 403),
    "429 with a message": _json(MESSAGE, 429),
}


@dataclass
class Spoiled:
    """Notes the operations asked for, and answers one of them badly instead of carrying it out."""

    far_end: SimulatedFarEnd
    operation_of: Callable[[Request], str]
    target: str = ""
    bad: Callable[[], Response] | None = None
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        simulator = self.far_end.simulator
        handle = simulator.handle

        def answer(request: Request) -> Response:
            operation = self.operation_of(request)
            self.asked.append(operation)
            if operation and operation == self.target and self.bad is not None:
                return self.bad()
            return handle(request)

        simulator.handle = answer  # type: ignore[method-assign]


Act = Callable[[Connector], Iterable[object]]
Step = Callable[[], Act]
"""Makes ready what one call needs; the call is then made by a connector that has asked nothing yet."""


def steps(suite: Conformance, connector: Connector, far_end: SimulatedFarEnd) -> Iterator[tuple[str, Step]]:
    """Every method of the connector that speaks to its channel."""
    now = datetime.now(UTC)
    window = {"since": now - timedelta(days=3), "until": now + timedelta(minutes=1)}
    number = suite.placed(far_end, 2)[0]
    yield "pages", lambda: lambda made: made.pages(None)
    yield "fetch", lambda: lambda made: [made.fetch(number)]
    reads: dict[Ability, Act] = {
        Ability.LISTINGS: lambda made: made.listings(),
        Ability.RETURNS: lambda made: made.returns(None),
        Ability.OWN_STOCK: lambda made: made.own_stock(),
        Ability.BACKFILL: lambda made: made.backfill(None, **window),
        Ability.ROLL_CALL: lambda made: made.roll_call(**window),
    }
    for ability, act in reads.items():
        if ability in connector.abilities:
            yield ability.value, lambda act=act: act  # type: ignore[misc]
    if Ability.READ_LEVELS in connector.abilities:
        levels = suite.levels_of(connector, far_end, 9)
        keys = [LevelKey(key=one.key, sku=one.sku, handle=one.handle, place=one.place) for one in levels]
        yield "read_levels", lambda: lambda made: made.read_levels(keys)
    for what, method in (
        ("a parcel", "push_tracking"),
        ("a void parcel", "push_voids"),
        ("a cancellation", "push_cancellations"),
        ("a refund", "push_refunds"),
        ("a level", "push_levels"),
        ("an acknowledgement", "acknowledge"),
    ):
        if any(what == told for told, _ in suite._tellings(connector, far_end)):
            yield method, lambda what=what: _telling(suite, connector, far_end, what)  # type: ignore[misc]


def settling(suite: Conformance, connector: Connector, far_end: SimulatedFarEnd) -> Step:
    """What became of a push that was only accepted at first."""

    def step() -> Act:
        acks = list(connector.push_levels(suite.levels_of(connector, far_end, 11)))
        tickets = {ack.key: ack.ticket for ack in acks if ack.state is AckState.ACCEPTED}
        assert tickets
        far_end.let_time_pass()
        return lambda made: made.settle(tickets)

    return step


def _telling(suite: Conformance, connector: Connector, far_end: SimulatedFarEnd, what: str) -> Act:
    """The call as the contract suite makes it, by another connector."""

    class Recorder:
        """Stands in for the connector and keeps what it was to be told."""

        def __getattr__(self, name: str) -> object:
            return lambda given: told.append((name, given)) or ()

    told: list[tuple[str, object]] = []
    for word, tell in suite._tellings(connector, far_end):
        if word == what:
            (cell,) = [one for one in tell.__closure__ or () if one.cell_contents is connector]
            cell.cell_contents = Recorder()
            tell()
            cell.cell_contents = connector
    ((method, given),) = told
    return lambda made: getattr(made, method)(given)


def outcome(act: Act, made: Connector) -> tuple[list[object], ChannelError | None]:
    """What came before the error, and the error."""
    came: list[object] = []
    try:
        for one in act(made):
            came.append(one)
    except ChannelError as error:
        return came, error
    return came, None


def believed(came: list[object], error: ChannelError | None, what: str) -> bool:
    """Whether the connector took no answer for one: it returned without an error, or confirmed something.

    A 403 is an answer: what is told may be refused by it, with its cure.
    """
    refusable = {AckState.RETRY, AckState.REFUSED} if what.startswith("403") else {AckState.RETRY}
    acks = [one for one in came if isinstance(one, Ack)]
    if any(ack.state not in refusable for ack in acks):
        return True
    return error is None and not acks


BUYER = ("Lovelace", "Analytical", "ada@example.test")
"""What the simulated buyers of the contract suite are called, live and write to."""


def at_once(count: int, work: Callable[[int], object]) -> list[object]:
    """What `work` gives in so many threads that begin together."""
    together = threading.Barrier(count)

    def begin(number: int) -> object:
        together.wait()
        return work(number)

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(begin, range(count)))
