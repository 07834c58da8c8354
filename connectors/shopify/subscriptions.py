"""Seeing to it that Shopify tells us of changes: one subscription a topic, for our address and in our form.

Bodies are cut down to the few fields that say where to look (`includeFields`), so that no buyer's data is sent at all.
Subscriptions of the app's own configuration (`shopify.app.toml`) are not shown by the API: the compliance topics are
subscribed to there, and can be nowhere else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from connectors.shopify import queries
from connectors.shopify.documents import PageInfo, Record
from connectors.shopify.graph import Graph
from core.errors import Unavailable
from core.model import Subscribed

ORDER = ("id", "updated_at")
TOPICS: Mapping[str, Sequence[str]] = {
    "ORDERS_CREATE": ORDER,
    "ORDERS_UPDATED": ORDER,
    "ORDERS_CANCELLED": ORDER,
    "ORDERS_EDITED": (),
    "REFUNDS_CREATE": ("id", "order_id"),
    "FULFILLMENT_ORDERS_CANCELLED": (),
    "FULFILLMENT_ORDERS_HOLD_RELEASED": (),
    "FULFILLMENT_ORDERS_MERGED": (),
    "FULFILLMENT_ORDERS_MOVED": (),
    "FULFILLMENT_ORDERS_ORDER_ROUTING_COMPLETE": (),
    "FULFILLMENT_ORDERS_PLACED_ON_HOLD": (),
    "FULFILLMENT_ORDERS_RESCHEDULED": (),
    "FULFILLMENT_ORDERS_SCHEDULED_FULFILLMENT_ORDER_READY": (),
    "FULFILLMENT_ORDERS_SPLIT": (),
    "RETURNS_APPROVE": (),
    "RETURNS_CANCEL": (),
    "RETURNS_CLOSE": (),
    "RETURNS_DECLINE": (),
    "RETURNS_PROCESS": (),
    "RETURNS_REOPEN": (),
    "RETURNS_REQUEST": (),
    "RETURNS_UPDATE": (),
    "APP_UNINSTALLED": ("id",),
}
"""What we want to hear of, and the fields of the body that are sent; none named: all of them, which hold no buyer."""

LEVELS: Mapping[str, Sequence[str]] = {
    "INVENTORY_LEVELS_UPDATE": ("inventory_item_id", "location_id", "available", "updated_at"),
}
"""The same, where levels are told to the shop."""


class _Subscription(Record):
    id: str
    topic: str
    uri: str
    format: str
    include_fields: list[str]
    filter: str | None = None


class _Subscriptions(Record):
    nodes: list[_Subscription]
    page_info: PageInfo


class _Listed(Record):
    webhook_subscriptions: _Subscriptions


class _UserError(Record):
    message: str


class _Payload(Record):
    user_errors: list[_UserError]


def see_to(graph: Graph, address: str, *, levels: bool) -> Subscribed:
    """See `core.connector.Connector.subscriptions`. `levels`: whether changes of levels are wanted, too."""
    wanted = {**TOPICS, **(LEVELS if levels else {})}
    known: defaultdict[str, list[_Subscription]] = defaultdict(list)
    for one in _all(graph):
        if one.uri == address:
            known[one.topic].append(one)
    changes = [*_removals(wanted, known), *_mendings(wanted, known, address), *_additions(wanted, known, address)]
    done: list[str] = []
    refused: list[str] = []
    for start in range(0, len(changes), queries.SUBSCRIPTIONS):
        batch = changes[start : start + queries.SUBSCRIPTIONS]
        for change, trouble in zip(batch, _change(graph, batch), strict=True):
            (refused if trouble else done).append(f"{change.told}{trouble}")
    return Subscribed(done=tuple(done), refused=tuple(refused))


class _Change(Record):
    """One mutation: its field, its arguments by the variables' types, and what it does in words."""

    field: str
    arguments: Mapping[str, tuple[str, Any]]
    told: str


def _removals(wanted: Mapping[str, object], known: Mapping[str, list[_Subscription]]) -> Iterator[_Change]:
    """What nobody wants, what is there twice, and what a filter keeps quiet: that is made anew."""
    for topic, found in sorted(known.items()):
        kept = next((one for one in found if not one.filter), None) if topic in wanted else None
        for one in found:
            if one is not kept:
                yield _Change("webhookSubscriptionDelete", {"id": ("ID!", one.id)}, f"removed {_name(topic)}")
        known[topic][:] = [kept] if kept else []


def _mendings(
    wanted: Mapping[str, Sequence[str]], known: Mapping[str, list[_Subscription]], address: str
) -> Iterator[_Change]:
    for topic, fields in wanted.items():
        for one in known.get(topic, ()):
            if one.format != "JSON" or sorted(one.include_fields) != sorted(fields):
                given = {"id": ("ID!", one.id), "webhookSubscription": (_INPUT, _form(address, fields))}
                yield _Change("webhookSubscriptionUpdate", given, f"mended {_name(topic)}")


def _additions(
    wanted: Mapping[str, Sequence[str]], known: Mapping[str, list[_Subscription]], address: str
) -> Iterator[_Change]:
    for topic, fields in wanted.items():
        if not known.get(topic):
            given = {
                "topic": ("WebhookSubscriptionTopic!", topic),
                "webhookSubscription": (_INPUT, _form(address, fields)),
            }
            yield _Change("webhookSubscriptionCreate", given, f"subscribed to {_name(topic)}")


_INPUT = "WebhookSubscriptionInput!"


def _form(address: str, fields: Sequence[str]) -> dict[str, Any]:
    return {"uri": address, "format": "JSON", "includeFields": list(fields)}


def _change(graph: Graph, batch: Sequence[_Change]) -> Iterator[str]:
    """Sends changes in one request; yields why Shopify would not have one, empty where it did."""
    variables: dict[str, Any] = {}
    given, fields = [], []
    for at, change in enumerate(batch):
        names = {argument: f"{argument}{at}" for argument in change.arguments}
        for argument, (kind, value) in change.arguments.items():
            variables[names[argument]] = value
            given.append(f"${names[argument]}: {kind}")
        passed = ", ".join(f"{argument}: ${name}" for argument, name in names.items())
        fields.append(f"  s{at}: {change.field}({passed}) {{ userErrors {{ field message }} }}")
    document = "mutation Subscribe({}) {{\n{}\n}}".format(", ".join(given), "\n".join(fields))
    # Repeated after a lost answer it creates nothing twice: Shopify refuses an address it has for the topic.
    answer, errors = graph.tell(document, variables, dict[str, _Payload | None], safe=True)
    for at in range(len(batch)):
        payload = answer.get(f"s{at}")
        if payload is None:
            raise graph.lost(errors) if errors else Unavailable("Shopify left a subscription unanswered")
        messages = [error.message for error in payload.user_errors if "already been taken" not in error.message]
        yield f": {_plain(messages[0])}; give the app the scope it needs" if messages else ""


def _all(graph: Graph) -> Iterator[_Subscription]:
    after: str | None = None
    while True:
        page = graph.ask(queries.WEBHOOKS, {"after": after}, _Listed).webhook_subscriptions
        yield from page.nodes
        if not page.page_info.has_next_page:
            return
        after = page.page_info.end_cursor


def _name(topic: str) -> str:
    """A topic as deliveries and pages call it."""
    for family in ("FULFILLMENT_ORDERS", "INVENTORY_LEVELS"):
        if topic.startswith(f"{family}_"):
            return f"{family.lower()}/{topic.removeprefix(f'{family}_').lower()}"
    return topic.lower().replace("_", "/", 1)


def _plain(text: str) -> str:
    return " ".join(text.split())[:200].rstrip(".")
