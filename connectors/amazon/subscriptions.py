"""The subscription that makes Amazon tell an account's queue of changed orders.

A queue is a *destination* of the application, asked for without a seller (a grantless operation). The seller's
*subscription* sends one type of notification there. Amazon keeps one subscription of a type and payload version for a
seller and an application, so one that leads to another queue is left alone and told of.

Source: Notifications API v1.
"""

from __future__ import annotations

import msgspec

from connectors.amazon.account import Account, reason
from connectors.amazon.hints import TYPE
from core import http
from core.errors import NotFound, Rejected
from core.model import Subscribed

VERSION = "1.0"
"""The payload version we read."""


class _Sqs(msgspec.Struct):
    arn: str


class _Resource(msgspec.Struct):
    sqs: _Sqs | None = None


class _Destination(msgspec.Struct, rename="camel"):
    destination_id: str
    resource: _Resource


class _Destinations(msgspec.Struct):
    payload: list[_Destination]


class _Made(msgspec.Struct):
    payload: _Destination


class _Filter(msgspec.Struct, rename="camel"):
    marketplace_ids: list[str] = []
    order_change_types: list[str] = []


class _Directive(msgspec.Struct, rename="camel"):
    event_filter: _Filter | None = None
    filter_expression: str = ""


class _Subscription(msgspec.Struct, rename="camel"):
    subscription_id: str
    payload_version: str
    destination_id: str
    processing_directive: _Directive | None = None


class _Page(msgspec.Struct, rename="camel"):
    subscriptions: list[_Subscription] = []
    next_token: str | None = None


class _Subscriptions(msgspec.Struct):
    payload: _Page


def subscriptions(account: Account) -> Subscribed:
    """Sees to it that the account's queue is told of every changed order, once."""
    done = []
    destination = _destination(account)
    if destination is None:
        destination = _create_destination(account)
        done.append("made the queue known to Amazon")
    ours = [each for each in _subscriptions(account) if each.destination_id == destination]
    good = [each for each in ours if _tells_all(each, account.settings.marketplace_id)]
    for each in ours:
        if each not in good[:1]:
            account.application.delete_subscription(TYPE, each.subscription_id)
            done.append(f"removed a subscription to {TYPE} that was there twice or left something out")
    if good:
        return Subscribed(done=tuple(done))
    try:
        account.seller.create_subscription(TYPE, destination, VERSION)
    except Rejected as error:
        return Subscribed(done=tuple(done), refused=(_why(error),))
    return Subscribed(done=(*done, f"subscribed to {TYPE}"))


def _why(error: Rejected) -> str:
    if error.status == 409:
        return (
            f"{TYPE} of this seller and application goes to another queue already; "
            "put that queue into queue_url, or delete that subscription"
        )
    return f"Amazon will not tell the queue of {TYPE} ({reason(error.body)}); check queue_url and the queue's policy"


def _tells_all(subscription: _Subscription, marketplace: str) -> bool:
    """Whether it is in words we read and leaves out nothing of ours."""
    told = subscription.processing_directive or _Directive()
    chosen = told.event_filter or _Filter()
    wanted = not chosen.marketplace_ids or marketplace in chosen.marketplace_ids
    narrowed = told.filter_expression or chosen.order_change_types
    return subscription.payload_version == VERSION and wanted and not narrowed


def _destination(account: Account) -> str | None:
    found = http.decode(account.application.get_destinations(), _Destinations).payload
    arn = account.settings.queue_arn
    return next((each.destination_id for each in found if each.resource.sqs and each.resource.sqs.arn == arn), None)


def _create_destination(account: Account) -> str:
    arn = account.settings.queue_arn
    try:
        answer = account.application.create_destination(name=f"ordersync-{arn.rpartition(':')[2]}", arn=arn)
    except Rejected as error:
        raise Rejected(
            f"Amazon will not know the queue of {account.name} ({reason(error.body)}); check queue_url",
            status=error.status,
        ) from None
    return http.decode(answer, _Made).payload.destination_id


def _subscriptions(account: Account) -> list[_Subscription]:
    found: list[_Subscription] = []
    token: dict[str, str] = {}
    while True:
        try:
            answer = account.seller.get_subscriptions(notificationTypes=TYPE, pageSize=100, **token)
        except NotFound:  # said of a type that nobody has subscribed to
            return found
        page = http.decode(answer, _Subscriptions).payload
        found += page.subscriptions
        if not page.next_token or token == {"nextToken": page.next_token}:
            return found
        token = {"nextToken": page.next_token}
