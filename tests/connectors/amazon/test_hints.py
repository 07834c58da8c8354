"""Changed orders out of a queue: what a message says, what becomes of it, and the subscription that sends it."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from typing import Any

import httpx
import jsonschema
import pytest
from pydantic import SecretStr, ValidationError

from connectors.amazon.hints import read
from connectors.amazon.settings import AmazonSettings
from connectors.amazon.simulator import AmazonSimulator
from connectors.amazon.simulator.notifications import Subscription
from core.errors import BadDocument, Rejected, Unauthorized, Unavailable
from core.guard import transaction
from core.model import Finding, Hint, HintKind
from tests.connectors.amazon.conftest import Connect, order, settings
from tests.connectors.amazon.queue import Sqs, aws, sqs
from tests.connectors.amazon.test_wire import Load
from tests.connectors.amazon.vendor import DIFFERENCES, NAMES
from tests.specs import FOLDER, Watch, specs

__all__ = ["aws", "specs", "sqs"]

SCHEMA = "amazon/schemas/notifications/OrderChangeNotification.json"


def told(simulator: AmazonSimulator, number: str) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(simulator.notifications.message(simulator.book.orders[number], "S"))
    return message


class Kept:
    """What a batch's keeper was given."""

    def __init__(self) -> None:
        self.hints: list[Hint] = []
        self.unread: list[str] = []

    def __call__(self, hints: Sequence[Hint], unread: Sequence[str]) -> None:
        self.hints += hints
        self.unread += unread


# What a message says.


def test_a_message_is_its_order_its_event_and_its_instant(simulator: AmazonSimulator) -> None:
    number = simulator.place(order())
    message = told(simulator, number)
    hint = read(json.dumps(message), settings(simulator))
    assert hint is not None
    assert (hint.kind, hint.order) == (HintKind.ORDER, number)
    assert hint.id == message["NotificationMetadata"]["NotificationId"]
    assert hint.at.isoformat() == message["EventTime"].replace("Z", "+00:00")


@pytest.mark.spec
def test_the_vendors_example_is_read_and_the_simulators_messages_keep_to_the_vendors_schema(
    specs: Load, simulator: AmazonSimulator
) -> None:
    schema = json.loads((FOLDER / SCHEMA).read_text())
    ours = settings(simulator, seller_id="A3TH9S8BH6GOGM")
    hint = read(json.dumps(schema["examples"][0]), ours)
    assert hint is not None
    assert (hint.order, hint.id) == ("903-8868176-2219830", "d0e9e693-c3ad-4373-979f-ed4ec98dd746")
    number = simulator.place(order())
    jsonschema.validate(told(simulator, number), schema)
    simulator.cancel(number)
    cancelled = told(simulator, number)
    jsonschema.validate(cancelled, schema)
    assert cancelled["Payload"]["OrderChangeNotification"]["Summary"]["OrderStatus"] == "Canceled"


@pytest.mark.parametrize(
    "other",
    [
        ("NotificationType", "FEED_PROCESSING_FINISHED"),
        ("Payload", "OrderChangeNotification", "SellerId", "AOTHER"),
        ("Payload", "OrderChangeNotification", "Summary", "MarketplaceId", "A2EUQ1WTGCTBG2"),
    ],
)
def test_other_types_sellers_and_marketplaces_are_not_looked_at(simulator: AmazonSimulator, other: Any) -> None:
    message = told(simulator, simulator.place(order()))
    place = message
    for step in other[:-2]:
        place = place[step]
    place[other[-2]] = other[-1]
    assert read(json.dumps(message), settings(simulator)) is None


@pytest.mark.parametrize(
    "broken",
    [
        ("EventTime", "2026-01-11T00:09:53"),
        ("NotificationMetadata", "NotificationId", ""),
        ("Payload", "OrderChangeNotification", "AmazonOrderId", "../v0/orders"),
        ("Payload", "OrderChangeNotification", None),
    ],
)
def test_what_cannot_be_read_is_said_on_one_line_without_its_values(simulator: AmazonSimulator, broken: Any) -> None:
    message = told(simulator, simulator.place(order()))
    place = message
    for step in broken[:-2]:
        place = place[step]
    place[broken[-2]] = broken[-1]
    with pytest.raises(BadDocument) as raised:
        read(json.dumps(message), settings(simulator))
    assert "\n" not in str(raised.value)
    assert "98109" not in str(raised.value)


@pytest.mark.parametrize("body", ["", "null", "{", '{"x": ' + "[" * 100_000, '{"NotificationType": "ORDER_CHANGE"}'])
def test_garbage_is_a_bad_document(simulator: AmazonSimulator, body: str) -> None:
    with pytest.raises(BadDocument):
        read(body, settings(simulator))


# What becomes of it.


def test_subscribed_once_every_change_arrives_by_the_queue(
    simulator: AmazonSimulator, connect: Connect, sqs: Sqs
) -> None:
    simulator.notifications.queues[sqs.arn] = sqs.send
    amazon = connect(simulator, **sqs.settings)
    number = simulator.place(order())
    assert sqs.left() == 0
    assert len(amazon.subscriptions("").done) == 2
    simulator.cancel(number)
    kept = Kept()
    assert amazon.listen(kept, wait=1.0) == 1
    assert ([hint.order for hint in kept.hints], kept.unread) == ([number], [])
    assert sqs.left() == 0


def test_a_batch_is_no_longer_than_sqs_gives_and_the_rest_comes_next(
    simulator: AmazonSimulator, connect: Connect, sqs: Sqs
) -> None:
    amazon = connect(simulator, **sqs.settings)
    numbers = [simulator.place(order()) for _ in range(12)]
    for number in numbers:
        sqs.send(json.dumps(told(simulator, number)))
    kept = Kept()
    assert [amazon.listen(kept, wait=0.0) for _ in range(3)] == [10, 2, 0]
    assert {hint.order for hint in kept.hints} == set(numbers)
    assert sqs.left() == 0


def test_the_queue_is_not_asked_inside_a_transaction(simulator: AmazonSimulator, connect: Connect, sqs: Sqs) -> None:
    amazon = connect(simulator, **sqs.settings)
    with transaction(), pytest.raises(RuntimeError, match="SQS"):
        amazon.listen(Kept(), wait=0.0)


def _aws(code: str, status: int) -> dict[str, Any]:
    return {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}


def test_a_queue_that_is_not_there_says_which_keys_to_correct(
    simulator: AmazonSimulator, connect: Connect, sqs: Sqs
) -> None:
    amazon = connect(simulator, **sqs.settings | {"queue_url": sqs.url + "-gone"})
    with pytest.raises(Rejected, match="queue_url or aws_region"):
        amazon.listen(Kept(), wait=0.0)


def test_an_sqs_that_does_not_answer_is_unavailable(simulator: AmazonSimulator, connect: Connect, sqs: Sqs) -> None:
    amazon = connect(simulator, **sqs.settings | {"sqs_url": "http://127.0.0.1:9"})
    with pytest.raises(Unavailable, match="does not answer"):
        amazon.listen(Kept(), wait=0.0)


def test_refused_keys_say_which_rights_are_needed(simulator: AmazonSimulator, connect: Connect) -> None:
    amazon = connect(simulator)
    refused = amazon._queue._refusal(_aws("AccessDenied", 400))
    assert isinstance(refused, Unauthorized)
    assert "sqs:DeleteMessage" in str(refused)


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("InvalidClientTokenId", 403, Unauthorized),
        ("Forbidden", 403, Unauthorized),
        ("QueueDoesNotExist", 400, Rejected),
        ("InvalidAttributeName", 400, Rejected),
        ("InternalFailure", 500, Unavailable),
        ("RequestThrottled", 400, Unavailable),
    ],
)
def test_what_aws_refuses_is_told_apart(
    simulator: AmazonSimulator, connect: Connect, code: str, status: int, kind: type[Exception]
) -> None:
    refused = connect(simulator)._queue._refusal(_aws(code, status))
    assert type(refused) is kind
    assert ("correct queue_url" in str(refused)) == (code == "QueueDoesNotExist")


def test_nothing_of_a_message_or_a_key_is_said_at_any_level(
    simulator: AmazonSimulator, connect: Connect, sqs: Sqs, caplog: pytest.LogCaptureFixture
) -> None:
    keys = {"aws_access_key_id": SecretStr("AKIACANARY"), "aws_secret_access_key": SecretStr("canary")}
    number = simulator.place(order())
    sqs.send(json.dumps(told(simulator, number)))
    caplog.clear()
    caplog.set_level(logging.DEBUG)  # of the root, as somebody who looks for a fault would
    caplog.set_level(logging.NOTSET, logger="botocore")
    assert connect(simulator, **sqs.settings, **keys).listen(Kept(), wait=0.0) == 1
    assert [one for one in ("AKIACANARY", "canary", number, "98109") if one in caplog.text] == []


def test_without_the_extra_one_line_says_what_to_install(
    simulator: AmazonSimulator, connect: Connect, sqs: Sqs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(Rejected, match=r"pip install 'ordersync\[amazon-notifications\]'$"):
        connect(simulator, **sqs.settings).listen(Kept(), wait=0.0)


def test_the_doctor_looks_at_the_queue_where_there_is_one(
    simulator: AmazonSimulator, connect: Connect, sqs: Sqs
) -> None:
    def found(**more: Any) -> list[Finding]:
        return [each for each in connect(simulator, **more).examine() if each.what == "queue"]

    sqs.send("{}")
    assert [(each.well, "some 1 notifications" in each.told) for each in found(**sqs.settings)] == [(True, True)]
    assert [each.well for each in found(**sqs.settings | {"queue_url": sqs.url + "-gone"})] == [False]
    assert found() == []


# The subscription.


def test_without_a_queue_it_is_said_what_is_missing(simulator: AmazonSimulator, connect: Connect, sqs: Sqs) -> None:
    assert "queue_url" in connect(simulator).deaf()
    assert connect(simulator, **sqs.settings).deaf() == ""


@pytest.mark.spec
def test_subscriptions_are_made_left_alone_and_mended_as_the_spec_has_it(
    specs: Load, simulator: AmazonSimulator, connect: Connect, sqs: Sqs
) -> None:
    watch = Watch(simulator, [specs(name) for name in NAMES], DIFFERENCES)
    amazon, there = connect(simulator, **sqs.settings), simulator.notifications
    assert amazon.subscriptions("").done == ("made the queue known to Amazon", "subscribed to ORDER_CHANGE")
    assert amazon.subscriptions("").done == ()
    (destination,) = there.destinations
    there.subscriptions.clear()
    assert amazon.subscriptions("").done == ("subscribed to ORDER_CHANGE",)
    (only,) = there.subscriptions
    there.subscriptions["old"] = Subscription("old", destination, version="0.9")
    assert len(amazon.subscriptions("").done) == 1
    assert list(there.subscriptions) == [only]
    watch.check()


@pytest.mark.parametrize(
    "directive",
    [
        {"filterExpression": "a == b"},
        {"eventFilter": {"eventFilterType": "ORDER_CHANGE", "orderChangeTypes": ["BuyerRequestedChange"]}},
        {"eventFilter": {"eventFilterType": "ORDER_CHANGE", "marketplaceIds": ["A2EUQ1WTGCTBG2"]}},
    ],
)
def test_a_subscription_that_leaves_orders_out_is_made_anew(
    simulator: AmazonSimulator, connect: Connect, sqs: Sqs, directive: dict[str, Any]
) -> None:
    amazon, there = connect(simulator, **sqs.settings), simulator.notifications
    amazon.subscriptions("")
    (narrow,) = there.subscriptions.values()
    narrow.directive = directive
    assert len(amazon.subscriptions("").done) == 2
    (now,) = there.subscriptions.values()
    assert (now.number != narrow.number, now.directive) == (True, {})


def test_a_subscription_to_another_queue_is_left_alone_and_told_of(
    simulator: AmazonSimulator, connect: Connect, sqs: Sqs
) -> None:
    there = simulator.notifications
    there.destinations["other"] = "other", "arn:aws:sqs:us-east-1:123456789012:other"
    there.subscriptions["theirs"] = Subscription("theirs", "other")
    found = connect(simulator, **sqs.settings).subscriptions("")
    assert [("goes to another queue already" in each) for each in found.refused] == [True]
    assert list(there.subscriptions) == ["theirs"]


def test_a_login_without_notifications_is_told(simulator: AmazonSimulator, connect: Connect, sqs: Sqs) -> None:
    simulator.denied.add("createSubscription")
    with pytest.raises(Unauthorized):
        connect(simulator, **sqs.settings).subscriptions("")


# The simulator's strictness.


def test_each_operation_wants_its_own_kind_of_login(simulator: AmazonSimulator) -> None:
    form = {"client_id": simulator.login.client_id, "client_secret": simulator.login.client_secret}
    scope = {"grant_type": "client_credentials", "scope": "sellingpartnerapi::notifications"}
    seller = {"grant_type": "refresh_token", "refresh_token": simulator.login.refresh_token}
    api = f"{simulator.base_url}/notifications/v1"

    def asked(grant: dict[str, str], path: str) -> int:
        token = httpx.post(f"{simulator.base_url}/auth/o2/token", data=form | grant).json()["access_token"]
        return httpx.get(f"{api}/{path}", headers={"x-amz-access-token": token}).status_code

    mine = "subscriptions?notificationTypes=ORDER_CHANGE"
    assert [asked(scope, "destinations"), asked(seller, "destinations")] == [200, 403]
    assert [asked(scope, mine), asked(seller, mine)] == [403, 200]
    refused = httpx.post(f"{simulator.base_url}/auth/o2/token", data=form | scope | {"scope": "else"})
    assert refused.json()["error"] == "invalid_scope"


def test_destinations_and_subscriptions_the_vendor_refuses_are_refused(simulator: AmazonSimulator) -> None:
    form = {"client_id": simulator.login.client_id, "client_secret": simulator.login.client_secret}

    def token(**grant: str) -> dict[str, str]:
        answer = httpx.post(f"{simulator.base_url}/auth/o2/token", data=form | grant)
        return {"x-amz-access-token": answer.json()["access_token"]}

    api = f"{simulator.base_url}/notifications/v1"
    own = token(grant_type="client_credentials", scope="sellingpartnerapi::notifications")
    seller = token(grant_type="refresh_token", refresh_token=simulator.login.refresh_token)

    def destination(value: Any) -> int:
        return httpx.post(f"{api}/destinations", headers=own, json=value).status_code

    def subscribed(value: Any, kind: str = "ORDER_CHANGE") -> int:
        return httpx.post(f"{api}/subscriptions/{kind}", headers=seller, json=value).status_code

    good = {"name": "n", "resourceSpecification": {"sqs": {"arn": "arn:aws:sqs:us-east-1:123456789012:q"}}}
    assert destination(good | {"marketplaceIds": ["ATVPDKIKX0DER"]}) == 400
    assert destination(good | {"name": ""}) == 400
    assert destination(good | {"resourceSpecification": {"sqs": {"arn": "https://sqs"}}}) == 400
    assert [destination(good), destination(good)] == [200, 409]
    (known,) = simulator.notifications.destinations
    asked = {"destinationId": known, "payloadVersion": "1.0"}
    assert subscribed(asked | {"marketplaceIds": []}) == 400
    assert subscribed(asked | {"destinationId": "else"}) == 400
    assert subscribed(asked | {"payloadVersion": "7"}) == 400
    assert subscribed(asked, "ELSE") == 400
    assert [subscribed(asked), subscribed(asked)] == [200, 409]
    gone = httpx.delete(f"{api}/subscriptions/ORDER_CHANGE/none", headers=own)
    assert gone.status_code == 404


# The settings.


@pytest.mark.parametrize(
    ("more", "about"),
    [
        ({"queue_url": "https://sqs.us-east-1.amazonaws.com/123456789013/q.fifo"}, "queue_url"),
        ({"queue_url": "http://queues.example.com/123456789013/q"}, "aws_region"),
        ({"aws_access_key_id": "half"}, "aws_secret_access_key"),
    ],
)
def test_half_a_queue_is_refused_with_the_key_to_set(
    simulator: AmazonSimulator, more: dict[str, Any], about: str
) -> None:
    given = {name: SecretStr(value) if name.startswith("aws_access") else value for name, value in more.items()}
    with pytest.raises(ValidationError, match=about):
        settings(simulator, **given)


def test_a_queue_at_aws_says_its_own_region(simulator: AmazonSimulator) -> None:
    own: AmazonSettings = settings(simulator, queue_url="https://sqs.eu-west-1.amazonaws.com/123456789013/q")
    assert own.queue_arn == "arn:aws:sqs:eu-west-1:123456789013:q"
