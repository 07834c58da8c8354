"""The connector: work and recalls posted to the warehouse, events polled from it or brought by its calls."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import httpx
import msgspec
from pydantic import Field

from connectors import notices
from connectors.webhook import signing
from core import http
from core.credentials import Keeper
from core.errors import BadDocument, NotFound, Rejected, Unavailable, in_doubt
from core.handover import Event, Notice, NoticePage, Recall, WorkOrder
from core.model import Ack, AckState, Call
from core.settings import PLACEHOLDER, Secret, WarehouseSettings, WebAddress
from core.warehouse import Deed

MOST = 200
"""Events of a page at most: what is stored at once."""


_CURE = f"signing_secret has to be the same on both sides, and the clocks may not be {signing.WINDOW} seconds apart"


class WebhookSettings(WarehouseSettings):
    """A warehouse that is called, and calls, in plain signed HTTP."""

    base_url: Annotated[WebAddress, Field(examples=["https://wms.example.com/ordersync"]), PLACEHOLDER]
    """Where it is reached: work is posted to /work below this, recalls to /recalls, events are read at /events."""
    signing_secret: Secret
    """What both sides sign their requests with, 32 random bytes or more: `openssl rand -hex 32`."""
    polls: bool = True
    """Ask the warehouse for events. false: it only calls, at /warehouses/NAME of the receiver (see docs/hints.md)."""
    page_size: Annotated[int, Field(ge=1, le=MOST)] = 100
    """Events asked for at once."""


class Webhook:
    """One warehouse."""

    Settings: ClassVar[type[WebhookSettings]] = WebhookSettings
    abilities: ClassVar[frozenset[Deed]] = frozenset(Deed)
    absent: ClassVar[Mapping[Deed, str]] = {}

    def __init__(self, name: str, settings: WebhookSettings, keeper: Keeper | None = None) -> None:
        self.name = name
        self.settings = settings
        self._http: httpx.Client | None = None

    @property
    def _client(self) -> httpx.Client:
        if self._http is None:
            # Every request may be repeated: what changes something carries the key that makes it one.
            self._http = http.client(
                self.name, authorise=self._sign, expect=(409, 422), safe=lambda request: True, cure=_CURE
            )
        return self._http

    def _sign(self, request: httpx.Request, fresh: bool) -> None:
        secret = self.settings.signing_secret.get_secret_value()
        path = request.url.raw_path.decode("ascii")
        request.headers.update(signing.headers(secret, int(time.time()), request.method, path, request.read()))

    def release(self, orders: Sequence[WorkOrder]) -> Iterator[Ack]:
        """A request for each, with the work's key as its idempotency key."""
        for order in orders:
            yield self._post("work", order.key, notices.work(order))

    def recall(self, recalls: Sequence[Recall]) -> Iterator[Ack]:
        for one in recalls:
            yield self._post("recalls", one.key, notices.recall(one))

    def _post(self, what: str, key: str, body: Mapping[str, Any]) -> Ack:
        request = http.json_body(body)
        request["headers"]["idempotency-key"] = key
        with in_doubt([key]):
            try:
                answer = self._client.post(f"{self.settings.base_url}/{what}", **request)
            except NotFound:
                raise Unavailable(f"{self.name} has no /{what}; check base_url") from None
            except Rejected as error:
                return Ack(key=key, state=AckState.REFUSED, reason=f"{error}; {_reason(error.body)}")
        if answer.status_code in (409, 422):
            return Ack(key=key, state=AckState.REFUSED, reason=_reason(answer.content))
        told = http.decode(answer, _Answer, wrote=True)
        return Ack(key=key, state=_STATES[told.state], ticket=told.number, reason=told.reason)

    def events(self, cursor: str | None) -> Iterator[NoticePage]:
        """Pages by the warehouse's own cursor; nothing where it only calls."""
        at, more = cursor or "", self.settings.polls
        while more:
            answer = self._client.get(
                f"{self.settings.base_url}/events", params={"after": at, "limit": self.settings.page_size}
            )
            page = http.decode(answer, _Page)
            more = page.more
            if more and page.cursor == at:
                raise Unavailable(f"{self.name} promises more events and does not get on")
            if page.events or page.cursor != at:
                yield NoticePage(notices=_notices(page.events), cursor=page.cursor)
            at = page.cursor

    def taken(self, page: NoticePage, unread: Mapping[str, str]) -> None:
        """Nothing to do: the warehouse keeps its events, and the cursor says how far they were read."""

    def normalize(self, body: bytes) -> Event:
        return notices.normalize(body)

    def receive(self, call: Call) -> Sequence[Notice]:
        secret = self.settings.signing_secret.get_secret_value()
        signing.check(secret, call.headers, call.at, "POST", f"/warehouses/{self.name}", call.body)
        try:
            found = msgspec.json.decode(call.body, type=_Call)
        except (msgspec.DecodeError, RecursionError) as error:
            raise BadDocument(f"it holds no list of events: {error}") from None
        return _notices(found.events)

    def close(self) -> None:
        if self._http is not None:
            self._http.close()
            self._http = None


class _Answer(msgspec.Struct):
    state: Literal["accepted", "received", "refused"]
    number: str = ""
    reason: str = ""


_STATES = {"accepted": AckState.APPLIED, "received": AckState.ACCEPTED, "refused": AckState.REFUSED}


class _Page(msgspec.Struct):
    events: list[msgspec.Raw]
    cursor: str
    more: bool


class _Call(msgspec.Struct):
    events: list[msgspec.Raw]


class _Said(msgspec.Struct):
    reason: str = ""


def _notices(events: Sequence[msgspec.Raw]) -> tuple[Notice, ...]:
    return tuple(Notice(id=notices.id_of(bytes(one)), body=bytes(one)) for one in events)


def _reason(body: bytes) -> str:
    """Why the warehouse refuses, in its own words where it has some."""
    try:
        said = msgspec.json.decode(body, type=_Said).reason
    except msgspec.DecodeError:
        said = ""
    return said[:500] or "the warehouse refuses it and does not say why; ask there"
