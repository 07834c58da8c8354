"""The past: orders by when they were placed, gathered by Shopify in bulk, a slice of a few thousand at a time.

The cursor names the slice, its operation, and how many of its orders were given: a restart goes on from there, for as
long as Shopify keeps the file (a week); behind that the slice is gathered anew. While an operation runs the iteration
ends, with a cursor: it is to be asked again later.

A slice of a few orders, and one that Shopify will not gather, is paged through like the live pull, at less than the
pull's own pace. Of an operation that failed the orders it has gathered are taken, and the rest is tried in half the
slice. Whatever reads the shop here waits until half of its points are there again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
import structlog

from connectors.shopify import bulk, queries
from connectors.shopify.bulk import Gathered, Operation
from connectors.shopify.documents import Instant, Record
from connectors.shopify.graph import Graph
from connectors.shopify.orders import observe
from connectors.shopify.paging import placed, stamp
from connectors.shopify.reading import complete, wholes
from core import http
from core.model import Page

MOST: Final = 5_000
"""Orders gathered by one operation."""
FEW: Final = 100
"""Orders for which no operation is worth its while."""
PAGE: Final = 100
POLLS: Final = 2
POLL_SECONDS: Final = 1.0
FILES_LOST: Final = 2
SHORTEST: Final = timedelta(seconds=1)

COUNT: Final = "query Count($query: String!, $limit: Int!) { ordersCount(query: $query, limit: $limit) { count } }"

_log = structlog.get_logger()


class Position(msgspec.Struct, omit_defaults=True):
    """How far a backfill has come."""

    at: Instant
    """Everything placed before it is done."""
    end: Instant | None = None
    """Where the slice ends that is being worked on; None between two slices."""
    span: float = 0.0
    """Seconds the last slice held: the next is looked for around it."""
    operation: str = ""
    given: int = 0
    """Orders of the operation that were given."""
    paged: bool = False
    tries: int = 0
    """Operations of this slice whose file was gone."""

    def text(self) -> str:
        return msgspec.json.encode(self).decode()


class _Counted(Record):
    count: int


class _Count(Record):
    orders_count: _Counted | None


class _Placed(Record):
    created_at: Instant


class Backfill:
    """One shop's past. What is kept here only saves a download; nothing depends on it."""

    def __init__(self, account: str, graph: Graph, *, places: bool) -> None:
        self._account = account
        self._graph = graph
        self._places = places
        self._kept: tuple[str, list[Gathered]] = ("", [])

    def pages(self, cursor: str | None, since: datetime, until: datetime) -> Iterator[Page]:
        """See `core.connector.Connector.backfill`."""
        where = Position(since) if cursor is None else msgspec.json.decode(cursor, type=Position)
        while where.at < until:
            if where.end is None:
                where = self._sliced(where, until)
                continue
            if where.paged:
                yield from self._paged(where, since, until)
                where = Position(where.end, span=where.span)
            elif not where.operation:
                where = self._started(where)
                yield Page(observations=(), cursor=where.text())
            else:
                step = self._looked(where)
                if step is None:
                    return
                operation, orders = step
                if operation is not None and operation.status == "COMPLETED":
                    yield from self._given(where, orders, since, until)
                    where = Position(where.end or until, span=where.span)
                else:
                    if orders:
                        yield from self._given(where, orders, since, until)
                    where = self._after_failure(where, operation, orders)
                    yield Page(observations=(), cursor=where.text())
        self._kept = ("", [])
        yield Page(observations=(), cursor="")

    def _sliced(self, where: Position, until: datetime) -> Position:
        """The next slice: as long as it may be without holding too many orders."""
        length = until - where.at
        if where.span:
            length = min(length, max(SHORTEST, timedelta(seconds=2 * where.span)))
        while True:
            end = min(until, where.at + length)
            count = self._count(where.at, end)
            if count <= MOST or length <= SHORTEST:
                break
            length = max(SHORTEST, timedelta(seconds=int(length.total_seconds() / 2)))
        if not count:
            return Position(end, span=length.total_seconds())
        return Position(where.at, end=end, span=length.total_seconds(), paged=count <= FEW)

    def _count(self, since: datetime, until: datetime) -> int:
        found = self._graph.ask(COUNT, {"query": _search(since, until), "limit": MOST + 1}, _Count).orders_count
        return found.count if found else MOST

    def _started(self, where: Position) -> Position:
        search = _search(where.at, where.end or where.at)
        try:
            operation = bulk.start(self._graph, bulk.query(search, places=self._places))
        except bulk.Refused as error:
            _log.warning("Shopify gathers nothing in bulk; its orders are paged through", why=str(error))
            return msgspec.structs.replace(where, paged=True)
        return msgspec.structs.replace(where, operation=operation, given=0)

    def _looked(self, where: Position) -> tuple[Operation | None, list[Gathered]] | None:
        """How the slice's operation ended and what it gathered; None while it runs."""
        for _ in range(POLLS):
            operation = bulk.look(self._graph, where.operation)
            if operation is None or operation.status not in ("CREATED", "RUNNING", "CANCELING"):
                break
            http.pause(POLL_SECONDS)
        else:
            return None
        if operation is None or operation.status == "EXPIRED":
            return None, []
        if self._kept[0] == operation.id:
            return operation, self._kept[1]
        complete_ = operation.status == "COMPLETED"
        url = operation.url if complete_ else operation.partial_data_url
        if url is None:
            return operation, []
        body = bulk.download(self._account, url, int(operation.object_count) if complete_ else None)
        if body is None:
            return None, []
        orders = bulk.gather(body, places=self._places, whole=complete_)
        self._kept = (operation.id, orders)
        return operation, orders

    def _given(self, where: Position, orders: Sequence[Gathered], since: datetime, until: datetime) -> Iterator[Page]:
        """Pages of gathered orders behind those that were given; the thin ones are read by themselves."""
        for start in range(where.given, len(orders), PAGE):
            some = [one for one in orders[start : start + PAGE] if since <= _created(one) < until]
            documents = bulk.encoded(some)
            documents |= self._read([one.id for one in some if one.thin])
            observations = [observe(documents[one.id]) for one in some if one.id in documents]
            where = msgspec.structs.replace(where, given=start + PAGE)
            yield Page(observations=tuple(observations), cursor=where.text())

    def _read(self, ids: Sequence[str]) -> dict[str, bytes]:
        return wholes(self._graph, ids, places=self._places) if ids else {}

    def _after_failure(self, where: Position, operation: Operation | None, orders: Sequence[Gathered]) -> Position:
        """Where to go on: behind what was gathered if it came in order, and with half the slice."""
        end = where.end or where.at
        if operation is None:  # forgotten, or its file is gone: gather it anew
            tries = where.tries + 1
            return msgspec.structs.replace(where, operation="", given=0, tries=tries, paged=tries > FILES_LOST)
        _log.warning("A bulk operation ended without all of it", status=operation.status, code=operation.error_code)
        instants = [_created(one) for one in orders]
        at = instants[-1].replace(microsecond=0) if instants and instants == sorted(instants) else where.at
        half = timedelta(seconds=int((end - at).total_seconds() / 2))
        denied = operation.error_code == "ACCESS_DENIED"
        if denied or self._count(at, at + half) <= FEW:
            return Position(at, end=end, span=half.total_seconds(), paged=True)
        return Position(at, end=at + half, span=half.total_seconds())

    def _paged(self, where: Position, since: datetime, until: datetime) -> Iterator[Page]:
        document = queries.orders(self._places, by="CREATED_AT")
        begin, end = max(since, where.at), min(until, where.end or until)
        for page in placed(self._graph, document, queries.SPARE_PAGE, begin, end):
            observations = tuple(complete(self._graph, node, places=self._places) for _, _, node in page)
            reached = page[-1][1] if page else where.at
            here = msgspec.structs.replace(where, at=reached.replace(microsecond=0))
            yield Page(observations=observations, cursor=here.text())
            self._graph.spare()


def _search(since: datetime, until: datetime) -> str:
    """Whole seconds that hold the window; what lies outside is left out when it is given."""
    after = until.astimezone(UTC) + timedelta(seconds=1) - timedelta.resolution
    return f"created_at:>='{stamp(since)}' created_at:<'{stamp(after)}'"


def _created(one: Gathered) -> datetime:
    return msgspec.convert(one.document["createdAt"], Instant)
