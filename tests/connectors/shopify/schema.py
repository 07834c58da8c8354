"""Shopify's introspection of 2026-10 as the judge of requests and answers."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentSpreadNode,
    GraphQLResolveInfo,
    GraphQLSchema,
    OperationDefinitionNode,
    build_client_schema,
    execute_sync,
    parse,
    validate,
)
from graphql.execution.values import get_variable_values

from tests.specs import FOLDER


@cache
def shopifys_schema() -> GraphQLSchema:
    """The whole Admin API as Shopify tells it of itself."""
    with gzip.open(FOLDER / "shopify" / "admin_2026-10.json.gz") as file:
        return build_client_schema(json.load(file)["data"], assume_valid=True)


@cache
def _read(text: str) -> tuple[DocumentNode, tuple[str, ...]]:
    """A document, and what the schema minds of it: most are sent again and again."""
    document = parse(text)
    return document, tuple(error.message for error in validate(shopifys_schema(), document))


def faults(vendor: GraphQLSchema, request: dict[str, Any], answer: dict[str, Any] | None) -> list[str]:
    """What Shopify's schema minds of a request, and of an answer to it, where one is given."""
    document, minded = _read(request["query"])
    found = list(minded)
    operation = next(one for one in document.definitions if isinstance(one, OperationDefinitionNode))
    variables = get_variable_values(vendor, operation.variable_definitions, request["variables"])
    if isinstance(variables, list):
        return found + [error.message for error in variables]
    if answer is None:
        return found
    # The answer is the vendor's schema executed over itself: whatever it may not hold is an error, or is lost.
    result = execute_sync(
        vendor,
        document,
        root_value=answer["data"],
        variable_values=request["variables"],
        field_resolver=lambda source, info, **given: source.get(info.path.key),
        type_resolver=_kind,
    )
    found += [error.message for error in result.errors or ()]
    if result.data != answer["data"]:
        found.append("the answer holds what was not asked for")
    return found


def _kind(value: dict[str, Any], info: GraphQLResolveInfo, of: Any) -> str:
    """The type whose fragment asks for what the value holds, beside what is asked of all; else one without fragment."""
    parts = [one for node in info.field_nodes for one in _selections(node)]
    common = {(one.alias or one.name).value for one in parts if isinstance(one, FieldNode)}
    named = []
    for selection in parts:
        fragment: Any = info.fragments[selection.name.value] if isinstance(selection, FragmentSpreadNode) else selection
        condition = getattr(fragment, "type_condition", None)
        if condition is not None:
            named.append(condition.name.value)
            if value.keys() == common | _keys(fragment, info):
                return str(condition.name.value)
    return next(kind.name for kind in info.schema.get_possible_types(of) if kind.name not in named)


def _selections(node: Any) -> Sequence[Any]:
    return node.selection_set.selections if node.selection_set else ()


def _keys(node: Any, info: GraphQLResolveInfo) -> set[str]:
    """The names under which a selection is answered."""
    keys: set[str] = set()
    for one in _selections(node):
        if isinstance(one, FieldNode):
            keys.add((one.alias or one.name).value)
        else:
            keys |= _keys(info.fragments[one.name.value] if isinstance(one, FragmentSpreadNode) else one, info)
    return keys
