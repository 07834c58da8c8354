"""How the simulated schema is answered: each field from the shop's records, and by whom it may be asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from operator import attrgetter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from graphql import (
    GraphQLError,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
)

from connectors.shopify.simulator import bulk, cancelling, fulfilling, quantities, reads, refunding, subscribing
from connectors.shopify.simulator.reads import Resolve, first_of, list_of
from connectors.shopify.simulator.records import Order

_WORK = tuple(f"{{}}_{whose}_fulfillment_orders" for whose in ("merchant_managed", "assigned", "third_party"))
"""Scopes on fulfilment orders; which one is needed depends on whose location it is. Here all are the merchant's."""

SCOPES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("QueryRoot", "order"): ("read_orders",),
    ("QueryRoot", "orders"): ("read_orders",),
    ("QueryRoot", "ordersCount"): ("read_orders",),
    ("QueryRoot", "productVariants"): ("read_products",),
    ("QueryRoot", "productVariantsCount"): ("read_products",),
    ("ProductVariant", "inventoryItem"): ("read_inventory",),
    ("InventoryItem", "inventoryLevel"): ("read_inventory",),
    ("InventoryItem", "inventoryLevels"): ("read_inventory",),
    ("InventoryLevel", "location"): ("read_locations",),
    ("FulfillmentOrderAssignedLocation", "location"): ("read_locations",),
    ("Order", "fulfillmentOrders"): tuple(scope.format("read") for scope in _WORK),
    ("Order", "returns"): ("read_returns",),
    ("Mutation", "fulfillmentCancel"): tuple(scope.format("write") for scope in _WORK),
    ("Mutation", "fulfillmentCreate"): tuple(scope.format("write") for scope in _WORK),
    ("Mutation", "fulfillmentTrackingInfoUpdate"): tuple(scope.format("write") for scope in _WORK),
    ("Mutation", "fulfillmentOrderMove"): tuple(scope.format("write") for scope in _WORK),
    ("Mutation", "inventorySetQuantities"): ("write_inventory",),
    ("Mutation", "orderCancel"): ("write_orders",),
    ("Mutation", "refundCreate"): ("write_orders",),
}
"""The access scopes of which one is needed, by type and field. What is not listed is open to every app."""


def build() -> GraphQLSchema:
    """The schema with its resolvers; every other field is an attribute or a key of what it is asked of."""
    made = build_schema(Path(__file__).parent.with_name("simulator.graphql").read_text())
    for name, takes in _SCALARS.items():
        scalar = made.type_map[name]
        assert isinstance(scalar, GraphQLScalarType)  # noqa: S101 - a slip of the file beside this one
        scalar.parse_value = _checked(name, takes)  # type: ignore[method-assign, assignment]
    for kind in made.type_map.values():
        if isinstance(kind, GraphQLInterfaceType | GraphQLUnionType):
            kind.resolve_type = lambda value, info, of: value["kind"] if isinstance(value, dict) else value.kind
        if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__"):
            for name, field in kind.fields.items():
                resolve = _RESOLVERS.get((kind.name, name)) or _plain(kind.name, name)
                needed = SCOPES.get((kind.name, name))
                field.resolve = _guarded(resolve, needed) if needed else resolve
    return made


def _checked(name: str, takes: Callable[[str], bool]) -> Callable[[Any], Any]:
    def parse(value: Any) -> Any:
        if not takes(str(value)):
            raise GraphQLError(f"Invalid {name}")
        return value

    return parse


def _is_amount(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False


_SCALARS: Mapping[str, Callable[[str], bool]] = {
    "URL": lambda text: bool(urlsplit(text).scheme and urlsplit(text).netloc),
    "Money": _is_amount,
}
"""Scalars whose values are looked at when they are given."""


def _guarded(resolve: Resolve, needed: tuple[str, ...]) -> Resolve:
    """Only for an app that was granted one of these scopes."""

    def guarded(source: Any, info: GraphQLResolveInfo, **given: Any) -> Any:
        if not may(info.context.scopes, needed):
            access = " or ".join(f"`{scope}`" for scope in needed)
            what = f"Access denied for {info.field_name} field. Required access: {access} access scope."
            raise GraphQLError(what, extensions={"code": "ACCESS_DENIED", "requiredAccess": access})
        return resolve(source, info, **given)

    return guarded


def may(granted: frozenset[str], needed: tuple[str, ...]) -> bool:
    """Whether one of these scopes was granted. Who may write may read."""
    return any(scope in granted or scope.replace("read_", "write_", 1) in granted for scope in needed)


_ATTRIBUTES = frozenset(
    (
        *("Order", "LineItem", "Fulfillment", "FulfillmentLineItem", "FulfillmentOrder", "FulfillmentOrderLineItem"),
        *("Location", "ProductVariant", "InventoryItem", "InventoryLevel", "Refund", "RefundLineItem"),
        *("OrderTransaction", "Job", "OrderCancelJobResult", "Return", "ReturnLineItem", "UnverifiedReturnLineItem"),
        "WebhookSubscription",
        "BulkOperation",
    )
)


def _plain(kind: str, name: str) -> Resolve:
    if kind in _ATTRIBUTES:
        attribute = attrgetter(name)
        return lambda source, info, **given: attribute(source)
    return lambda source, info, **given: source.get(name)


_RESOLVERS: dict[tuple[str, str], Resolve] = {
    ("QueryRoot", "currentAppInstallation"): lambda _, info: {
        "accessScopes": [{"handle": scope} for scope in sorted(info.context.scopes)]
    },
    ("QueryRoot", "publicApiVersions"): lambda _, info: info.context.versions,
    ("QueryRoot", "shop"): lambda _, info: {"name": info.context.shop.name},
    ("QueryRoot", "node"): reads.node,
    ("QueryRoot", "nodes"): reads.nodes,
    ("QueryRoot", "order"): reads.node_of(Order),
    ("QueryRoot", "orders"): reads.orders,
    ("QueryRoot", "ordersCount"): reads.orders_count,
    ("QueryRoot", "productVariants"): reads.variants,
    ("QueryRoot", "productVariantsCount"): reads.variants_count,
    ("QueryRoot", "job"): reads.node_of(cancelling.Job),
    ("QueryRoot", "bulkOperation"): reads.node_of(bulk.Operation),
    ("Mutation", "bulkOperationRunQuery"): bulk.run_query,
    **{
        (f"{kind}Connection", "edges"): reads.edges
        for kind in ("Order", "LineItem", "FulfillmentOrder", "FulfillmentOrderLineItem", "FulfillmentLineItem")
    },
    ("Mutation", "fulfillmentCancel"): fulfilling.cancel,
    ("Mutation", "fulfillmentCreate"): fulfilling.fulfil,
    ("Mutation", "fulfillmentTrackingInfoUpdate"): fulfilling.correct,
    ("Mutation", "fulfillmentOrderMove"): fulfilling.move,
    ("Mutation", "inventorySetQuantities"): quantities.set_quantities,
    ("Mutation", "orderCancel"): cancelling.order_cancel,
    ("Mutation", "refundCreate"): refunding.refund_create,
    ("QueryRoot", "webhookSubscriptions"): subscribing.subscriptions,
    ("Mutation", "webhookSubscriptionCreate"): subscribing.create,
    ("Mutation", "webhookSubscriptionUpdate"): subscribing.update,
    ("Mutation", "webhookSubscriptionDelete"): subscribing.delete,
    ("Order", "lineItems"): list_of("lines"),
    ("Order", "fulfillmentOrders"): list_of("parts"),
    ("Order", "fulfillments"): first_of("shipped"),
    ("Order", "refunds"): first_of("refunds"),
    ("Order", "returns"): list_of("returns"),
    ("Return", "returnLineItems"): list_of("lines"),
    ("Return", "reverseFulfillmentOrders"): lambda one, info, first=None, after=None: reads.rows_of(
        [one.parcels] if one.parcels else [], info, first, after
    ),
    ("ReverseFulfillmentOrder", "reverseDeliveries"): lambda parcels, info, first=None, after=None: reads.rows_of(
        [{"deliverable": parcel} for parcel in parcels], info, first, after
    ),
    ("Order", "suggestedRefund"): refunding.suggested,
    ("OrderTransaction", "kind"): lambda source, info: source.kindOf,
    ("Refund", "refundLineItems"): list_of("lines"),
    ("Refund", "transactions"): list_of("transactions"),
    ("Order", "transactions"): first_of("transactions"),
    ("Fulfillment", "fulfillmentLineItems"): list_of("lines"),
    ("FulfillmentOrder", "lineItems"): list_of("lines"),
    ("InventoryItem", "inventoryLevel"): reads.level_at,
    ("InventoryItem", "inventoryLevels"): lambda item, info, first=None, after=None: reads.rows_of(
        list(item.levels.values()), info, first, after
    ),
    ("InventoryLevel", "quantities"): reads.quantities,
}
