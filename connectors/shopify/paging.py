"""Paging through a shop's orders, by their last change or by when they were placed.

A position is an instant, not Shopify's own page token: it holds for years, and orders that change while we page only
move behind it. Shopify pages through 25,000 rows behind one query; behind them the query starts anew from the latest
instant seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Generic, Protocol, TypeVar

import msgspec

from connectors.shopify.documents import Instant, PageInfo, Record
from connectors.shopify.graph import Graph, TooCostly
from core.errors import Unavailable

T = TypeVar("T")

MOST_PAGED: int = 25_000
"""Rows that Shopify pages through behind one query; what lies further needs a later starting point."""

_TRIES = 3
_SECOND = timedelta(seconds=1)


class Cursor(msgspec.Struct):
    """How far a pull has come: the latest change it has seen."""

    updated_at: Instant


class Rows(Record, Generic[T]):
    """A page of a list, its rows read as T."""

    nodes: list[T]
    page_info: PageInfo


class _Orders(Record):
    orders: Rows[msgspec.Raw]


class Glance(Protocol):
    """What paging needs to know of a row."""

    @property
    def changed(self) -> datetime | None: ...


G = TypeVar("G", bound=Glance)


def changes(
    graph: Graph,
    document: str,
    first: int,
    glance: Callable[[bytes], G],
    cursor: str | None,
    begin: datetime,
    overlap: timedelta,
    *,
    most: int = MOST_PAGED,
) -> Iterator[tuple[Sequence[G], str]]:
    """Orders changed since `cursor` (None: since `begin`), oldest change first, with the cursor behind each page.

    `document` takes $query, $after and $first and sorts by UPDATED_AT. A page that finds nothing is given where it
    moves the cursor.
    """
    reached = begin if cursor is None else position(cursor)
    bound = reached if cursor is None else reached - overlap
    return onward(graph, document, first, glance, bound, reached, known=cursor is not None, most=most)


def onward(
    graph: Graph,
    document: str,
    first: int,
    glance: Callable[[bytes], G],
    bound: datetime,
    reached: datetime,
    *,
    known: bool = True,
    most: int = MOST_PAGED,
    begin_with: int | None = None,
) -> Iterator[tuple[Sequence[G], str]]:
    """As `changes`, of what changed since `bound` where a pull has `reached` further already: no cursor goes back.

    `begin_with`: rows of the first page, where few are expected.
    """
    while True:
        served = 0
        for nodes in window(graph, document, f"updated_at:>='{stamp(bound)}'", first, begin_with):
            glances = [glance(node) for node in nodes]
            before, reached = reached, max([reached, *(one.changed for one in glances if one.changed)])
            if nodes or not known or reached != before:
                known = True
                yield glances, written(reached)
            served += len(nodes)
            if served > most - first:
                break
        else:
            return
        if reached <= bound:
            raise Unavailable(f"more than {most} orders changed at one instant: Shopify does not page that far")
        bound = reached


def position(cursor: str) -> datetime:
    """How far the pull with this cursor had come."""
    return msgspec.json.decode(cursor, type=Cursor).updated_at


def written(reached: datetime) -> str:
    """The cursor of a pull that has come so far."""
    return msgspec.json.encode(Cursor(reached)).decode()


class _Placed(Record):
    id: str
    created_at: Instant


def placed(
    graph: Graph, document: str, first: int, since: datetime, until: datetime, *, most: int = MOST_PAGED
) -> Iterator[list[tuple[str, datetime, bytes]]]:
    """Orders placed from `since` to before `until`, oldest first: global id, instant, document. None comes twice.

    `document` takes $query, $after and $first, sorts by CREATED_AT, and asks for `id` and `createdAt` at least.
    """
    seen: set[str] = set()
    bound = since
    while True:
        served, reached = 0, bound
        query = f"created_at:>='{stamp(bound)}' created_at:<'{stamp(until + _SECOND - timedelta.resolution)}'"
        for nodes in window(graph, document, query, first):
            page = []
            for node in nodes:
                try:
                    one = msgspec.json.decode(node, type=_Placed)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    raise Unavailable(f"Shopify answered what cannot be read: {error}") from None
                reached = max(reached, one.created_at)
                if since <= one.created_at < until and one.id not in seen:
                    seen.add(one.id)
                    page.append((one.id, one.created_at.astimezone(UTC), node))
            yield page
            served += len(nodes)
            if served > most - first:
                break
        else:
            return
        if reached <= bound:
            raise Unavailable(f"more than {most} orders were placed at one instant: Shopify does not page that far")
        bound = reached


def stamp(instant: datetime) -> str:
    """An instant as searches take it. Shopify compares whole seconds."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def window(graph: Graph, document: str, query: str, first: int, begin_with: int | None = None) -> Iterator[list[bytes]]:
    """The pages of one query, `first` rows each; `begin_with` rows in the first one."""
    after: str | None = None
    last: list[bytes] = []
    stuck, more = 0, True
    rows = min(first, begin_with or first)
    while more:
        try:
            answer = graph.ask(document, {"query": query, "after": after, "first": rows}, _Orders).orders
        except TooCostly:
            if rows == 1:
                raise
            first = rows = rows // 2
            continue
        end, more = answer.page_info.end_cursor, answer.page_info.has_next_page
        if more and not end:
            raise Unavailable("Shopify promises a further page of orders and does not name it")
        nodes = [bytes(node) for node in answer.nodes]
        if after is not None and (end == after or (nodes and nodes == last)):
            stuck += 1
            if stuck == _TRIES:
                raise Unavailable("Shopify answers the same page of orders again and again")
            if end == after:
                more = True
                continue
        else:
            stuck = 0
        last, after, rows = nodes, end, first
        yield nodes
