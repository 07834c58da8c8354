"""The GraphQL endpoint of the simulated shop: what a request costs, whether there are points for it, and its answer."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    execute_sync,
    parse,
    validate,
)
from graphql.execution.values import get_variable_values
from werkzeug.wrappers import Response

from connectors.shopify.simulator.cost import Meter
from connectors.shopify.simulator.schema import build
from connectors.shopify.simulator.world import World

MOST_POINTS = 1_000
BUCKET_SECONDS = 20
"""The bucket holds so many seconds' worth of the plan's points."""

SCHEMA = build()


class Endpoint:
    """Answers requests; counts in `calls` what was asked for, and in `violations` what was one too many."""

    def __init__(
        self, world: World, calls: Counter[str], violations: Counter[str], *, restore: float, size: float
    ) -> None:
        self._world = world
        self._calls = calls
        self._violations = violations
        self._parsed: dict[str, DocumentNode | list[GraphQLError]] = {}
        self.restore = restore
        """Points that come back each second."""
        self.size = size
        self.points, self.filled = size, time.monotonic()

    def answer(self, body: bytes) -> Response:
        """What Shopify says to one request."""
        try:
            asked = msgspec.json.decode(body, type=_Asked)
        except msgspec.DecodeError:
            return as_json({"errors": "Bad Request"}, 400)
        document = self._parse(asked.query)
        if isinstance(document, list):
            return as_json({"errors": [error.formatted for error in document]})
        operation = next((one for one in document.definitions if isinstance(one, OperationDefinitionNode)), None)
        if operation is None:
            return as_json({"errors": [{"message": "No query string was present"}]})
        variables = get_variable_values(SCHEMA, operation.variable_definitions or (), asked.variables or {})
        if isinstance(variables, list):
            return as_json({"errors": [{**error.formatted, "extensions": _INVALID} for error in variables]})
        self._count(operation)
        return self._run(document, operation, variables)

    def _parse(self, text: str) -> DocumentNode | list[GraphQLError]:
        """A document once seen is not parsed again."""
        if text not in self._parsed:
            if len(self._parsed) > 500:
                self._parsed.clear()
            try:
                document = parse(text, no_location=True)
                self._parsed[text] = validate(SCHEMA, document) or document
            except GraphQLError as error:
                self._parsed[text] = [error]
        return self._parsed[text]

    def _count(self, operation: OperationDefinitionNode) -> None:
        fields = [one.name.value for one in operation.selection_set.selections if isinstance(one, FieldNode)]
        self._calls[fields[0]] += 1

    def _run(
        self, document: DocumentNode, operation: OperationDefinitionNode, variables: Mapping[str, Any]
    ) -> Response:
        fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
        meter = Meter(SCHEMA, fragments, variables)
        root = SCHEMA.mutation_type if operation.operation is OperationType.MUTATION else SCHEMA.query_type
        assert root is not None  # noqa: S101 - the schema has both
        try:
            price = meter.asked(operation.selection_set, root)
        except GraphQLError as error:
            return as_json({"errors": [error.formatted]})
        if price > MOST_POINTS:
            what = f"Query cost is {price}, which exceeds the single query max cost limit ({MOST_POINTS})."
            extensions = {"code": "MAX_COST_EXCEEDED", "cost": price, "maxCost": MOST_POINTS}
            return as_json({"errors": [{"message": what, "extensions": extensions}]})
        self._refill()
        if price > self.points:
            self._violations["points"] += 1
            return as_json(
                {
                    "errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}],
                    "extensions": self._cost(price, None),
                }
            )
        result = execute_sync(SCHEMA, document, context_value=self._world, variable_values=dict(variables))
        data, errors = result.data, result.errors
        spent = meter.found(operation.selection_set, root, data) if data else 1
        self.points -= min(price, spent)
        answer: dict[str, Any] = {"data": data}
        if errors:
            answer["errors"] = [error.formatted for error in errors]
        return as_json(answer | {"extensions": self._cost(price, spent)})

    def _refill(self) -> None:
        now = time.monotonic()
        self.points = min(self.size, self.points + (now - self.filled) * self.restore)
        self.filled = now

    def _cost(self, price: int, spent: int | None) -> dict[str, Any]:
        status = {
            "maximumAvailable": self.size,
            "currentlyAvailable": int(self.points),
            "restoreRate": float(self.restore),
        }
        return {"cost": {"requestedQueryCost": price, "actualQueryCost": spent, "throttleStatus": status}}


class _Asked(msgspec.Struct):
    query: str
    variables: dict[str, Any] | None = None


_INVALID = {"code": "INVALID_VARIABLE"}


def as_json(value: Mapping[str, Any], status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, mimetype="application/json")
