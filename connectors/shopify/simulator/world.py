"""What every answer of the simulated shop is made from, and the rules that all its mutations share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from graphql import GraphQLResolveInfo, get_directive_values

from connectors.shopify.simulator.cost import refusal
from connectors.shopify.simulator.shop import Shop
from connectors.shopify.simulator.webhooks import Webhooks

SCOPES = frozenset(
    (
        *("read_orders", "read_all_orders", "write_orders", "read_returns", "read_products", "read_inventory"),
        *("write_inventory", "read_locations", "read_merchant_managed_fulfillment_orders"),
        "write_merchant_managed_fulfillment_orders",
    )
)
"""What an app of ours is granted when it asks for all that it can use."""


class World:
    """The shop and its webhooks, what the asking app may do, the idempotency keys that were used, and whether a page is
    served again."""

    def __init__(self, shop: Shop, jobs: Any, webhooks: Webhooks, repeat_page: Callable[[], bool]) -> None:
        self.shop = shop
        self.jobs = jobs
        self.webhooks = webhooks
        self.operations: Any = None
        """The bulk operations; see `bulk`."""
        self.repeat_page = repeat_page
        self.scopes: frozenset[str] = SCOPES
        self.keys: dict[str, tuple[bytes, Any]] = {}
        """Body and outcome by idempotency key; the outcome of a failed attempt is None."""
        self.versions = [{"handle": handle, "supported": True} for handle in ("2026-07", "2026-10")]
        self.bulk = False
        """A bulk operation reads lists to their end, however long they are."""


def user_error(message: str, *path: str, code: str | None = None) -> dict[str, Any]:
    return {"field": list(path), "message": message, "code": code}


def idempotent(
    info: GraphQLResolveInfo,
    given: Mapping[str, Any],
    do: Callable[[], tuple[Any, list[dict[str, Any]]]],
) -> tuple[Any, list[dict[str, Any]]]:
    """`do` once for each key and body: its outcome, or what is wrong. Since 2026-04 a key is mandatory.

    A key that has done its work answers what came of it; with another body, or after a failure, it is refused.
    """
    world: World = info.context
    directive = info.schema.get_directive("idempotent")
    named = get_directive_values(directive, info.field_nodes[0], info.variable_values) if directive else None
    if not named or not named["key"].strip():
        raise refusal("The @idempotent directive is required for this mutation but was not provided.", "BAD_REQUEST")
    key, body = named["key"], msgspec.json.encode([info.field_name, given])
    if key in world.keys:
        before, outcome = world.keys[key]
        if before != body:
            what = "The same idempotency key cannot be used with different operation parameters."
            return None, [user_error(what, code="IDEMPOTENCY_KEY_PARAMETER_MISMATCH")]
        if outcome is None:
            what = "A previous request with this idempotency key failed. Retry with a new idempotency key."
            return None, [user_error(what, code="IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED")]
        return outcome, []
    outcome, errors = do()
    world.keys[key] = (body, None if errors else outcome)
    return outcome, errors
