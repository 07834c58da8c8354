"""What Amazon tells by itself: ORDER_CHANGE notifications, out of an SQS queue of the seller's own AWS account.

A notification names its order and holds neither its prices nor its street address, and its statuses are spelt the way
of the Orders API v0 (`Canceled`). So it is only a reason to look: what the order is now, `fetch` says. The other way
Amazon tells, EventBridge, is not gone.

Source: Notifications API v1, notification type ORDER_CHANGE, payload version 1.0.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec

from connectors.amazon.account import plain
from connectors.amazon.settings import AmazonSettings
from core.errors import BadDocument, Rejected, Unauthorized, Unavailable
from core.guard import forbid_in_transaction
from core.model import Hint, HintKind

TYPE = "ORDER_CHANGE"

MOST = 10
"""Messages one look brings at most. Source: SQS, ReceiveMessage."""

LONGEST = 20
"""Seconds one look may wait for the first message. Source: SQS, ReceiveMessage."""

_REFUSED = ("AccessDenied", "InvalidClientTokenId", "SignatureDoesNotMatch", "UnrecognizedClient", "ExpiredToken")
"""How codes begin with which AWS refuses who asks."""

Keep = Callable[[Sequence[Hint], Sequence[str]], None]


class _Kind(msgspec.Struct, rename="pascal"):
    notification_type: str


class _Summary(msgspec.Struct, rename="pascal"):
    marketplace_id: str


class _Change(msgspec.Struct, rename="pascal"):
    seller_id: str
    amazon_order_id: Annotated[str, msgspec.Meta(pattern=r"^[A-Z0-9]{3}-\d{7}-\d{7}$")]
    summary: _Summary


class _Payload(msgspec.Struct, rename="pascal"):
    order_change_notification: _Change


class _Metadata(msgspec.Struct, rename="pascal"):
    notification_id: Annotated[str, msgspec.Meta(min_length=1)]


class _Told(msgspec.Struct, rename="pascal"):
    event_time: Annotated[datetime, msgspec.Meta(tz=True)]
    payload: _Payload
    notification_metadata: _Metadata


def read(body: str, settings: AmazonSettings) -> Hint | None:
    """What a message is about; None for other types, other sellers and other marketplaces. Raises `BadDocument`."""
    try:
        if msgspec.json.decode(body, type=_Kind).notification_type != TYPE:
            return None
        told = msgspec.json.decode(body, type=_Told)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadDocument(f"no notification that can be read: {plain(str(error))}") from None
    change = told.payload.order_change_notification
    if (change.seller_id, change.summary.marketplace_id) != (settings.seller_id, settings.marketplace_id):
        return None
    return Hint(
        id=told.notification_metadata.notification_id,
        kind=HintKind.ORDER,
        at=told.event_time,
        order=change.amazon_order_id,
    )


class Queue:
    """The queue of one account. Its client is built when first used, as the extra that brings it may be missing."""

    def __init__(self, name: str, settings: AmazonSettings) -> None:
        self._name = name
        self._settings = settings
        self._client: Any = None

    def listen(self, keep: Keep, wait: float) -> int:
        """One batch; see `core.connector`."""
        messages = self._receive(wait)
        if not messages:
            return 0
        heard: list[Hint] = []
        unread: list[str] = []
        for message in messages:
            try:
                hint = read(message["Body"], self._settings)
            except BadDocument as error:
                unread.append(str(error))  # taken out like the others: it would come again and again
            else:
                heard += [hint] if hint is not None else []
        try:
            keep(heard, unread)
        except BaseException:
            self._release(messages)
            raise
        # Only now, as what is stored may be forgotten by the queue.
        self._delete(messages)
        return len(messages)

    def look(self) -> int:
        """About how many messages wait; takes none out."""
        wanted = "ApproximateNumberOfMessages"
        answer = self._ask("get_queue_attributes", AttributeNames=[wanted])
        return int(answer["Attributes"][wanted])

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _receive(self, wait: float) -> list[dict[str, str]]:
        seconds = min(LONGEST, max(0, int(wait)))
        answer = self._ask("receive_message", MaxNumberOfMessages=MOST, WaitTimeSeconds=seconds)
        messages: list[dict[str, str]] = answer.get("Messages", [])
        return messages

    def _delete(self, messages: Sequence[dict[str, str]]) -> None:
        """What cannot be deleted comes again, and is known by its id."""
        answer = self._ask("delete_message_batch", Entries=_entries(messages))
        for failed in answer.get("Failed", [])[:1]:
            raise Unavailable(f"SQS kept messages of {self._name} that were to be deleted ({plain(failed['Code'])})")

    def _release(self, messages: Sequence[dict[str, str]]) -> None:
        """Lets a batch that was not stored come again at once, and not only when the queue's own time-out ends."""
        entries = [entry | {"VisibilityTimeout": 0} for entry in _entries(messages)]
        with contextlib.suppress(Unavailable, Unauthorized, Rejected):  # that time-out ends all the same
            self._ask("change_message_visibility_batch", Entries=entries)

    def _ask(self, operation: str, **parameters: Any) -> dict[str, Any]:
        forbid_in_transaction(f"SQS {operation}")
        client = self._connected()
        from botocore import exceptions as sdk

        try:
            answer: dict[str, Any] = getattr(client, operation)(QueueUrl=self._settings.queue_url, **parameters)
        except sdk.ClientError as error:
            raise self._refusal(error.response) from None
        except (sdk.NoCredentialsError, sdk.PartialCredentialsError, sdk.CredentialRetrievalError):
            raise Unauthorized(
                f"no AWS credentials for the queue of {self._name}; set aws_access_key_id and aws_secret_access_key"
            ) from None
        except sdk.BotoCoreError as error:
            raise Unavailable(f"the queue of {self._name} does not answer ({type(error).__name__})") from None
        return answer

    def _refusal(self, response: dict[str, Any]) -> Unavailable | Unauthorized | Rejected:
        code = plain(str(response.get("Error", {}).get("Code", "")))
        status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        if code.startswith(_REFUSED) or status == 403:
            return Unauthorized(
                f"AWS refuses us the queue of {self._name} ({code}); its user needs sqs:ReceiveMessage, "
                "sqs:DeleteMessage, sqs:ChangeMessageVisibility and sqs:GetQueueAttributes there",
                forbidden=True,
            )
        if code.endswith(("NonExistentQueue", "QueueDoesNotExist")):
            return Rejected(f"{self._name} has no such queue; correct queue_url or aws_region", status=status)
        if status >= 500 or status == 429 or "Throttl" in code:
            return Unavailable(f"the queue of {self._name} does not answer now ({code})")
        return Rejected(f"SQS refuses a request for {self._name} ({code})", status=status)

    def _connected(self) -> Any:
        if self._client is None:
            try:
                import boto3
                from botocore.config import Config
            except ImportError:
                raise Rejected(
                    f"{self._name} has a queue_url and no AWS SDK to read it; "
                    "run: pip install 'ordersync[amazon-notifications]'"
                ) from None
            # Below WARNING it writes down what it sends and what it is answered. Its loggers are children of this one.
            logging.getLogger("botocore").setLevel(logging.WARNING)
            key, secret = self._settings.aws_access_key_id, self._settings.aws_secret_access_key
            # A session of its own: the SDK's default one is not for several threads.
            self._client = boto3.session.Session().client(
                "sqs",
                region_name=self._settings.queue_region,
                endpoint_url=self._settings.sqs_url,
                aws_access_key_id=key.get_secret_value() if key else None,
                aws_secret_access_key=secret.get_secret_value() if secret else None,
                config=Config(connect_timeout=5, read_timeout=LONGEST + 10, retries={"total_max_attempts": 2}),
            )
        return self._client


def _entries(messages: Sequence[dict[str, str]]) -> list[dict[str, Any]]:
    return [{"Id": str(at), "ReceiptHandle": message["ReceiptHandle"]} for at, message in enumerate(messages)]
