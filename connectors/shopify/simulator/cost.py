"""What a request costs, before it runs (`asked`) and by what it found (`found`).

An object costs a point, a mutation ten, scalars and page information nothing. A connection or a list with `first`
costs 2 + weight(first) x one node, `weight` being about twice the natural logarithm: Shopify publishes no rule, this
one fits answers seen in the wild. `nodes(ids:)` is counted in full, id by id, which is the strictest reading.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    InlineFragmentNode,
    IntValueNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
)

MUTATION = 10
MOST_ROWS = 250
_ABSTRACT = (GraphQLInterfaceType, GraphQLUnionType)


def weight(rows: int) -> int:
    """How many nodes so many rows of a connection count as."""
    return max(1, int(2 * math.log(rows))) if rows > 0 else 0


class Meter:
    """Costs of one parsed request."""

    def __init__(
        self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode], variables: Mapping[str, Any]
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._variables = variables

    def asked(self, selections: SelectionSetNode, kind: GraphQLObjectType) -> int:
        """The most the selection can cost. Raises `GraphQLError` for a list without `first`, or one too long."""
        cost: int = self._of(selections, kind, None)
        return cost

    def found(self, selections: SelectionSetNode, kind: GraphQLObjectType, data: Mapping[str, Any]) -> int:
        """What the selection costs by the data it found."""
        cost: float = self._of(selections, kind, data)
        return math.ceil(cost)

    def _of(self, selections: SelectionSetNode, kind: Any, data: Mapping[str, Any] | None) -> Any:
        total: Any = 0
        branches: list[Any] = []
        for selection in selections.selections:
            if isinstance(selection, FieldNode):
                total += self._field(selection, kind, data)
            else:
                fragment, part = self._fragment(selection)
                cost = self._of(part, fragment or kind, data)
                if fragment is None or fragment is kind:
                    total += cost
                elif isinstance(kind, _ABSTRACT) or isinstance(fragment, _ABSTRACT):
                    branches.append(cost)
        return total + max(branches, default=0)

    def _fragment(self, selection: Any) -> tuple[Any, SelectionSetNode]:
        if isinstance(selection, FragmentSpreadNode):
            fragment: Any = self._fragments[selection.name.value]
        elif isinstance(selection, InlineFragmentNode):
            fragment = selection
        condition = fragment.type_condition
        kind = self._schema.get_type(condition.name.value) if condition is not None else None
        return kind, fragment.selection_set

    def _field(self, node: FieldNode, kind: Any, data: Mapping[str, Any] | None) -> Any:
        name = node.name.value
        if node.selection_set is None or name in ("pageInfo", "__typename"):
            return 0
        value = None
        if data is not None:
            value = data.get(node.alias.value if node.alias else name)
            if value is None:
                return 0
        field = kind.fields[name]
        inner = get_named_type(field.type)
        part = node.selection_set
        if kind is self._schema.mutation_type:
            return MUTATION + self._of(part, inner, value)
        if inner.name.endswith("Connection"):
            return self._connection(node, part, inner, value)
        if not _is_list(field.type):
            return 1 + self._of(part, inner, value)
        return self._list(node, part, inner, value, first="first" in field.args)

    def _connection(self, node: FieldNode, part: SelectionSetNode, inner: Any, value: Any) -> Any:
        first = self._first(node, needed=True)
        rows = next((one for one in part.selections if isinstance(one, FieldNode) and one.name.value == "nodes"), None)
        if rows is None or rows.selection_set is None:
            return 2
        kind = get_named_type(inner.fields["nodes"].type)
        if value is None:
            return 2 + weight(first) * (1 + self._of(rows.selection_set, kind, None))
        found = value.get("nodes") or []
        return 2 + self._weighed(rows.selection_set, kind, found)

    def _list(self, node: FieldNode, part: SelectionSetNode, inner: Any, value: Any, *, first: bool) -> Any:
        ids = next((one.value for one in node.arguments if one.name.value == "ids"), None)
        if value is not None:
            if ids is not None:
                return sum(1 + self._of(part, inner, one) for one in value if one is not None)
            return self._weighed(part, inner, value)
        if ids is not None:
            given = self._variables.get(ids.name.value) if isinstance(ids, VariableNode) else getattr(ids, "values", ())
            return len(given or ()) * (1 + self._of(part, inner, None))
        asked = self._first(node, needed=False) if first else None
        return (weight(asked) if asked is not None else 1) * (1 + self._of(part, inner, None))

    def _weighed(self, part: SelectionSetNode, kind: Any, rows: Sequence[Any]) -> Any:
        if not rows:
            return 0
        return sum(1 + self._of(part, kind, row) for row in rows) * weight(len(rows)) / len(rows)

    def _first(self, node: FieldNode, *, needed: bool) -> Any:
        value = next((one.value for one in node.arguments if one.name.value == "first"), None)
        first = None
        if isinstance(value, VariableNode):
            first = self._variables.get(value.name.value)
        elif isinstance(value, IntValueNode):
            first = int(value.value)
        if first is None and needed:
            raise refusal(f"you must provide one of first or last for {node.name.value}", "BAD_REQUEST")
        if first is not None and not 1 <= first <= MOST_ROWS:
            raise refusal(f"first cannot exceed {MOST_ROWS} and must be positive", "BAD_REQUEST")
        return first


def refusal(message: str, code: str) -> GraphQLError:
    """An error of the request, with its code where Shopify has it."""
    return GraphQLError(message, extensions={"code": code})


def _is_list(kind: Any) -> bool:
    return isinstance(kind.of_type if isinstance(kind, GraphQLNonNull) else kind, GraphQLList)
