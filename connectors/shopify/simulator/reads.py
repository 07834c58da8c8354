"""How the simulated shop is read: pages with cursors, searches, nodes, levels."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from operator import attrgetter
from typing import Any

import msgspec
from graphql import GraphQLResolveInfo

from connectors.shopify.simulator.cost import MOST_ROWS, refusal
from connectors.shopify.simulator.records import Item, Order
from connectors.shopify.simulator.search import GID, Search
from connectors.shopify.simulator.shop import micros
from connectors.shopify.simulator.world import World

MOST_PAGED = 25_000
MOST_COUNTED = 10_000
RECENT = timedelta(days=60)
"""How far back orders are shown to an app without the scope read_all_orders."""

Resolve = Callable[..., Any]


def rows_of(rows: Sequence[Any], info: GraphQLResolveInfo, first: int | None, after: str | None) -> dict[str, Any]:
    """A page of a list that only grows at its end; its cursors are positions. A bulk operation reads to the end."""
    start = 0 if after is None else _position(after)["at"] + 1
    page = rows[start:] if info.context.bulk else rows[start : start + (first or MOST_ROWS)]
    return _page(page, start + len(page) < len(rows), {"at": start + len(page) - 1})


def _page(rows: Sequence[Any], more: bool, last: dict[str, Any]) -> dict[str, Any]:
    end = base64.b64encode(msgspec.json.encode(last)).decode() if rows else None
    return {"nodes": rows, "pageInfo": {"hasNextPage": more, "endCursor": end}}


def _position(cursor: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(base64.b64decode(cursor, validate=True), type=dict[str, Any])
    except (msgspec.DecodeError, binascii.Error, UnicodeDecodeError):
        raise refusal("Invalid cursor for current pagination sort.", "BAD_REQUEST") from None


def list_of(name: str) -> Resolve:
    rows = attrgetter(name)
    return lambda source, info, first=None, after=None: rows_of(rows(source), info, first, after)


def first_of(name: str) -> Resolve:
    """A list that is no connection: cut off without a word."""
    rows = attrgetter(name)
    return lambda source, info, first=None: rows(source)[: first or MOST_ROWS]


def edges(connection: dict[str, Any], info: GraphQLResolveInfo) -> list[dict[str, Any]]:
    return [{"node": node} for node in connection["nodes"]]


def orders(
    _: Any,
    info: GraphQLResolveInfo,
    sortKey: str,  # noqa: N803
    first: int,
    query: str = "",
    after: str | None = None,
) -> dict[str, Any]:
    if sortKey not in ("UPDATED_AT", "CREATED_AT"):
        raise refusal("this simulator sorts orders by UPDATED_AT or CREATED_AT only", "BAD_REQUEST")
    world: World = info.context
    by_change = sortKey == "UPDATED_AT"
    search = Search(query)
    start = bound = search.start("updated_at" if by_change else "created_at")
    if after is not None:
        place = _position(after)
        start = (place["changed"], place["number"])
        if by_change and world.shop.exceeds(MOST_PAGED, bound, start):
            raise refusal("Pagination beyond 25,000 objects is not possible; narrow the query.", "BAD_REQUEST")
        if by_change and world.repeat_page():
            rows = [order for order in islice(world.shop.changed_before(start), first) if _key(order) > bound]
            return _page(rows[::-1], True, place)
    found = list(islice(_found(world, search, start, by_change), first + 1))
    rows = found[:first]
    key = _key if by_change else _created
    last = dict(zip(("changed", "number"), key(rows[-1]), strict=True)) if rows else {}
    return _page(rows, len(found) > first, last)


def orders_count(_: Any, info: GraphQLResolveInfo, query: str = "", limit: int | None = MOST_COUNTED) -> dict[str, Any]:
    search = Search(query)
    found = _found(info.context, search, search.start("created_at"), by_change=False)
    count = sum(1 for _ in (found if limit is None else islice(found, limit + 1)))
    capped = limit is not None and count > limit
    return {"count": limit if capped else count, "precision": "AT_LEAST" if capped else "EXACT"}


def all_orders(world: World, query: str, sort: str | None) -> Iterator[Order]:
    """Every order that a bulk operation's search finds."""
    search = Search(query)
    by_change = sort == "UPDATED_AT"
    return _found(world, search, search.start("updated_at" if by_change else "created_at"), by_change)


def _found(world: World, search: Search, start: tuple[int, str], by_change: bool) -> Iterator[Order]:
    orders = world.shop.changed(start) if by_change else world.shop.placed(start)
    oldest = 0 if "read_all_orders" in world.scopes else micros(datetime.now(UTC) - RECENT)
    return (order for order in orders if order.created >= oldest and search.finds(order))


def granted(world: World, scope: str) -> bool:
    return scope in world.scopes or scope.replace("read_", "write_", 1) in world.scopes


def _key(order: Order) -> tuple[int, str]:
    return order.changed, order.number


def _created(order: Order) -> tuple[int, str]:
    return order.created, order.number


def node(_: Any, info: GraphQLResolveInfo, id: str) -> Any:
    if not GID.fullmatch(id):
        raise refusal(f"Invalid global id '{id}'", "argumentLiteralsIncompatible")
    return info.context.shop.nodes.get(id)


def node_of(kind: type[Any]) -> Resolve:
    """What an id names, if it is of this kind."""

    def resolve(_: Any, info: GraphQLResolveInfo, id: str) -> Any:
        found = node(_, info, id)
        return found if isinstance(found, kind) else None

    return resolve


def nodes(_: Any, info: GraphQLResolveInfo, ids: Sequence[str]) -> list[Any]:
    at_most(ids)
    return [node(_, info, id) for id in ids]


def at_most(rows: Sequence[Any]) -> None:
    if len(rows) > MOST_ROWS:
        raise refusal(
            f"The input array size of {len(rows)} is greater than the maximum allowed of {MOST_ROWS}.",
            "MAX_INPUT_SIZE_EXCEEDED",
        )


def variants(_: Any, info: GraphQLResolveInfo, sortKey: str, first: int, after: str | None = None) -> Any:  # noqa: N803
    return rows_of(list(info.context.shop.variants.values()), info, first, after)


def variants_count(_: Any, info: GraphQLResolveInfo, query: str = "", limit: int | None = MOST_COUNTED) -> Any:
    count = len(info.context.shop.variants)
    capped = limit is not None and count > limit
    return {"count": limit if capped else count, "precision": "AT_LEAST" if capped else "EXACT"}


def level_at(item: Item, info: GraphQLResolveInfo, locationId: str) -> Any:  # noqa: N803
    return item.levels.get(locationId)


def quantities(level: Any, info: GraphQLResolveInfo, names: Sequence[str]) -> list[dict[str, Any]]:
    known = {
        "available": level.available,
        "committed": level.committed,
        "on_hand": level.available + level.committed,
    }
    return [{"name": name, "quantity": known[name]} for name in names if name in known]
