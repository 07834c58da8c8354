"""Bulk operations at the simulated shop: five at once, done after a while, their file open to whoever has its address.

As strict as Shopify: one list at the top, up to five in all, nested no deeper than twice, each row a node with its id
asked for, and no list inside a plain one. Grouped, each object is followed by its rows; else the rows come wherever
they come, here all behind all others.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    OperationDefinitionNode,
    SelectionSetNode,
    StringValueNode,
    execute_sync,
    get_named_type,
    parse,
    print_ast,
    validate,
)
from werkzeug.wrappers import Request, Response

from connectors.shopify.simulator import reads
from connectors.shopify.simulator.world import World, user_error

FOLDER = "/bulk-operation-outputs/"
AT_ONCE = 5
MOST_LISTS = 5
DEEPEST = 2


@dataclass(slots=True, eq=False)
class Operation:
    id: str
    query: str
    grouped: bool
    due: float
    createdAt: str  # noqa: N815
    status: str = "CREATED"
    errorCode: str | None = None  # noqa: N815
    lines: Sequence[bytes] = ()
    roots: int = 0
    url: str | None = None
    partialDataUrl: str | None = None  # noqa: N815
    kind: str = "BulkOperation"

    @property
    def objectCount(self) -> str:  # noqa: N802
        return str(len(self.lines))

    @property
    def rootObjectCount(self) -> str:  # noqa: N802
        return str(self.roots)


class Bulk:
    """The operations of one app at one shop."""

    def __init__(self, schema: GraphQLSchema, world: World, seconds: float) -> None:
        self.seconds = seconds
        self.base_url = ""
        self.failures: list[tuple[str, int]] = []
        """How the next operations fail: the error's code, and after how many lines."""
        self._schema = schema
        self._world = world
        self._operations: list[Operation] = []
        self._files: dict[str, Operation] = {}
        self.served = 0
        """Files that were fetched."""

    def ask(self, query: str, *, grouped: bool) -> tuple[Operation | None, list[dict[str, Any]]]:
        if sum(one.status in ("CREATED", "RUNNING") for one in self._operations) >= AT_ONCE:
            what = "Bulk operations limit reached. Please try again later."
            return None, [user_error(what, code="LIMIT_REACHED")]
        wrong = self._wrong(query)
        if wrong:
            return None, [user_error(wrong, "query", code="INVALID")]
        shop = self._world.shop
        due = time.monotonic() + self.seconds
        made = Operation(shop.gid("BulkOperation"), query, grouped, due, shop.text(shop.tick()))
        self._operations.append(made)
        shop.nodes[made.id] = made
        return made, []

    def run(self, *, all_: bool = False) -> None:
        """Does what is due."""
        now = time.monotonic()
        for one in self._operations:
            if one.status in ("CREATED", "RUNNING"):
                one.status = "RUNNING"
                if all_ or one.due <= now:
                    self._finish(one)

    def expire(self) -> None:
        """A week has passed: no file is to be had any more."""
        for one in self._files.values():
            one.status, one.url, one.partialDataUrl = "EXPIRED", None, None
        self._files.clear()

    def serve(self, request: Request) -> Response:
        """A file, to whoever has its address."""
        found = self._files.get(request.path.removeprefix(FOLDER))
        if found is None or request.args.get("signature") != "good":
            return Response("<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", 403, mimetype="text/xml")
        if "X-Shopify-Access-Token" in request.headers:
            return Response("a token has no business here", 400)
        self.served += 1
        return Response(b"".join(line + b"\n" for line in found.lines), mimetype="application/jsonl")

    def _finish(self, one: Operation) -> None:
        try:
            lines, one.roots = self._gather(one)
        except GraphQLError as error:
            one.status, one.errorCode = "FAILED", str((error.extensions or {}).get("code", "INTERNAL_SERVER_ERROR"))
            return
        failure = self.failures.pop(0) if self.failures else None
        one.lines = lines if failure is None else lines[: failure[1]]
        name = f"{one.id.rpartition('/')[2]}.jsonl"
        address = f"{self.base_url}{FOLDER}{name}?signature=good" if one.lines else None
        if failure is None:
            one.status, one.url = "COMPLETED", address
        else:
            one.status, one.errorCode, one.partialDataUrl = "FAILED", failure[0], address
        if address:
            self._files[name] = one

    def _gather(self, one: Operation) -> tuple[list[bytes], int]:
        field, node = _top(one.query)
        given = {each.name.value: each.value for each in field.arguments}
        asked = given.get("query")
        search = asked.value if isinstance(asked, StringValueNode) else ""
        sort = getattr(given.get("sortKey"), "value", None)
        if not reads.granted(self._world, "read_orders"):
            raise GraphQLError("Access denied for orders field.", extensions={"code": "ACCESS_DENIED"})
        document = parse(f"query One($id: ID!) {{ node(id: $id) {{ ... on Order {print_ast(node)} }} }}")
        groups: list[list[tuple[int, dict[str, Any]]]] = []
        self._world.bulk = True
        try:
            for order in reads.all_orders(self._world, search, sort):
                result = execute_sync(
                    self._schema, document, context_value=self._world, variable_values={"id": order.id}
                )
                if result.errors:
                    raise result.errors[0]
                groups.append(list(_flat((result.data or {})["node"], None, 0)))
        finally:
            self._world.bulk = False
        rows = [row for group in groups for row in group]
        if not one.grouped:
            rows.sort(key=lambda row: row[0])
        return [msgspec.json.encode(row) for _, row in rows], len(groups)

    def _wrong(self, query: str) -> str:
        try:
            document = parse(query)
        except GraphQLError as error:
            return f"Bulk query is not valid: {error.message}"
        errors = validate(self._schema, document)
        if errors:
            return f"Bulk query is not valid: {errors[0].message}"
        operation = document.definitions[0]
        if not isinstance(operation, OperationDefinitionNode) or len(operation.selection_set.selections) != 1:
            return "Bulk query must have one top-level field"
        top = operation.selection_set.selections[0]
        if not isinstance(top, FieldNode) or top.name.value in ("node", "nodes"):
            return "Bulk query's top-level field may not be node or nodes"
        root = self._schema.query_type
        assert root is not None  # noqa: S101 - the schema has one
        lists = list(_lists(self._schema, operation.selection_set, root, 0, inside=False))
        if not lists:
            return "Bulk queries must contain at least one connection"
        if len(lists) > MOST_LISTS:
            return f"Bulk queries cannot contain more than {MOST_LISTS} connections"
        if any(depth > DEEPEST for depth, _, _ in lists):
            return f"Bulk queries cannot contain connections with a nesting depth greater than {DEEPEST}"
        if any(inside for _, inside, _ in lists):
            return "Queries that contain a connection field within a list field are not currently supported"
        if not all(named for _, _, named in lists):
            return "Bulk queries must ask for the id of each node"
        return ""


def _top(query: str) -> tuple[FieldNode, SelectionSetNode]:
    """The top-level list and what is asked of each of its nodes."""
    operation = parse(query).definitions[0]
    assert isinstance(operation, OperationDefinitionNode)  # noqa: S101 - looked at before
    field = operation.selection_set.selections[0]
    assert isinstance(field, FieldNode)  # noqa: S101 - likewise
    return field, _inner(field)


def _inner(field: FieldNode) -> SelectionSetNode:
    for name in ("edges", "node"):
        found = next(
            (
                one
                for one in (field.selection_set.selections if field.selection_set else ())
                if isinstance(one, FieldNode) and one.name.value == name
            ),
            None,
        )
        if found is None:
            return SelectionSetNode(selections=())
        field = found
    return field.selection_set or SelectionSetNode(selections=())


def _lists(
    schema: GraphQLSchema, selections: SelectionSetNode, kind: GraphQLObjectType, depth: int, *, inside: bool
) -> Iterator[tuple[int, bool, bool]]:
    """Of each connection: how deep it is nested, whether inside a plain list, whether its nodes' ids are asked for."""
    for one in selections.selections:
        if not isinstance(one, FieldNode) or one.selection_set is None:
            continue
        field = kind.fields[one.name.value]
        inner = get_named_type(field.type)
        if not isinstance(inner, GraphQLObjectType):
            continue
        if inner.name.endswith("Connection"):
            node = _inner(one)
            named = any(isinstance(each, FieldNode) and each.name.value == "id" for each in node.selections)
            yield depth, inside, named
            rows = get_named_type(inner.fields["nodes"].type)
            assert isinstance(rows, GraphQLObjectType)  # noqa: S101 - no list of ours is of an interface
            yield from _lists(schema, node, rows, depth + 1, inside=inside)
        else:
            plain = field.type.of_type if isinstance(field.type, GraphQLNonNull) else field.type
            listed = inside or isinstance(plain, GraphQLList)
            yield from _lists(schema, one.selection_set, inner, depth, inside=listed)


def _flat(node: dict[str, Any], parent: str | None, depth: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """A node and, behind it, the rows of its lists, each with its depth and naming its parent."""
    lists = {name: value for name, value in node.items() if isinstance(value, dict) and "edges" in value}
    row = {name: value for name, value in node.items() if name not in lists}
    yield depth, row | ({"__parentId": parent} if parent else {})
    for value in lists.values():
        for edge in value["edges"]:
            yield from _flat(edge["node"], node["id"], depth + 1)


def run_query(
    _: Any,
    info: GraphQLResolveInfo,
    query: str,
    groupObjects: bool = False,  # noqa: N803
) -> dict[str, Any]:
    made, errors = info.context.operations.ask(query, grouped=groupObjects)
    return {"bulkOperation": made, "userErrors": errors}
