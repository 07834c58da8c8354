"""Webhook subscriptions by the simulated API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphql import GraphQLResolveInfo

from connectors.shopify.simulator.reads import rows_of


def subscriptions(
    _: Any, info: GraphQLResolveInfo, first: int, after: str | None = None, topics: Sequence[str] | None = None
) -> dict[str, Any]:
    rows = [one for one in info.context.webhooks.subscriptions.values() if topics is None or one.topic in topics]
    return rows_of(rows, info, first, after)


def create(_: Any, info: GraphQLResolveInfo, topic: str, webhookSubscription: Mapping[str, Any]) -> Any:  # noqa: N803
    made, errors = info.context.webhooks.create(topic, webhookSubscription, info.context.scopes)
    return {"webhookSubscription": made, "userErrors": errors}


def update(_: Any, info: GraphQLResolveInfo, id: str, webhookSubscription: Mapping[str, Any]) -> Any:  # noqa: N803
    made, errors = info.context.webhooks.update(id, webhookSubscription, info.context.scopes)
    return {"webhookSubscription": made, "userErrors": errors}


def delete(_: Any, info: GraphQLResolveInfo, id: str) -> Any:
    gone, errors = info.context.webhooks.delete(id)
    return {"deletedWebhookSubscriptionId": gone, "userErrors": errors}
