"""The sandbox warehouse's connector: its settings, its one way to the warehouse, and everything it says and reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, TypeVar

import msgspec
from pydantic import Field

from connectors import notices
from connectors.sandbox_warehouse.yard import Yard
from core.credentials import Keeper
from core.errors import Rejected, Unauthorized, Unavailable, in_doubt
from core.guard import forbid_in_transaction
from core.handover import Event, Notice, NoticePage, Recall, WorkOrder
from core.model import Ack, AckState
from core.settings import WarehouseSettings
from core.warehouse import Deed

T = TypeVar("T")


class SandboxWarehouseSettings(WarehouseSettings):
    """Only the warehouse's own keys stand here. The text under each is what an operator reads."""

    yard: str = "default"
    """Which warehouse of this process it is; two with different yards never meet."""
    page_size: Annotated[int, Field(ge=1, le=200)] = 50
    """Events asked for at once."""


class SandboxWarehouse:
    """One warehouse in memory."""

    Settings: ClassVar[type[SandboxWarehouseSettings]] = SandboxWarehouseSettings

    # A warehouse that, say, never counts leaves TELLS_COUNTED out and gives the reason in `absent`.
    abilities: ClassVar[frozenset[Deed]] = frozenset(Deed) - {Deed.CALLS}
    absent: ClassVar[Mapping[Deed, str]] = {Deed.CALLS: "it lives in this process and is asked"}

    def __init__(self, name: str, settings: SandboxWarehouseSettings, keeper: Keeper | None = None) -> None:
        self.name = name
        self.settings = settings

    def release(self, orders: Sequence[WorkOrder]) -> Iterator[Ack]:
        """One request for each: the yard knows a key it has seen, so a repeated one is answered and not done twice."""
        for order in orders:
            # An answer that is lost in here leaves this key in doubt, and no other.
            with in_doubt([order.key]):
                try:
                    answer = self._ask("release", notices.work(order), _Taken)
                except Rejected as error:
                    yield Ack(key=order.key, state=AckState.REFUSED, reason=f"{error}: {error.body.decode()}")
                    continue
            yield Ack(key=order.key, state=AckState.ACCEPTED, ticket=answer.number)

    def recall(self, recalls: Sequence[Recall]) -> Iterator[Ack]:
        """The yard answers at once. One that has to ask its people answers ACCEPTED, and an event tells the rest."""
        for one in recalls:
            with in_doubt([one.key]):
                try:
                    answer = self._ask("recall", notices.recall(one), _Recalled)
                except Rejected as error:
                    yield Ack(key=one.key, state=AckState.REFUSED, reason=f"{error}: {error.body.decode()}")
                    continue
            if answer.asked:
                yield Ack(key=one.key, state=AckState.ACCEPTED)
            elif answer.done:
                yield Ack(key=one.key, state=AckState.APPLIED)
            else:
                yield Ack(key=one.key, state=AckState.REFUSED, reason=answer.reason)

    def events(self, cursor: str | None) -> Iterator[NoticePage]:
        """The yard numbers its events without a gap, so the cursor is how many were read."""
        at, more = int(cursor or 0), True
        while more:
            page = self._ask("events", {"after": at, "limit": self.settings.page_size}, _Events)
            more = page.more
            if page.events:
                at += len(page.events)
                # Documents stay bytes: one that cannot be read must neither lose its neighbours nor stop the reading.
                found = tuple(Notice(id=notices.id_of(bytes(one)), body=bytes(one)) for one in page.events)
                yield NoticePage(notices=found, cursor=str(at))

    def taken(self, page: NoticePage, unread: Mapping[str, str]) -> None:
        """Nothing to do: the yard keeps its events. A folder moves the file here, a queue deletes the messages."""

    def normalize(self, body: bytes) -> Event:
        return notices.normalize(body)

    def close(self) -> None:
        """Nothing to let go of."""

    def _ask(self, operation: str, request: Mapping[str, Any], shape: type[T]) -> T:
        """One request and its answer as `shape`; the only place that knows how the yard is reached.

        A real connector has `core.http.client` instead, which raises these very errors.
        """
        forbid_in_transaction(f"a request to {self.name}")
        try:
            status, body = Yard.named(self.settings.yard).answer(operation, msgspec.json.encode(request))
        except ConnectionError:
            raise Unavailable(f"{self.name} broke off its answer to {operation}", ambiguous=True) from None
        if status == 200:
            try:
                return msgspec.json.decode(body, type=shape)
            except msgspec.DecodeError as error:
                raise Unavailable(
                    f"{self.name} answered {operation} with what cannot be read: {error}",
                    ambiguous=operation != "events",  # it has answered, so it may be done
                ) from None
        if status == 401:
            raise Unauthorized(f"{self.name} refused the credentials; renew them and restart")
        if status >= 500:
            raise Unavailable(f"{self.name} answered {operation} with {status}")
        raise Rejected(f"{self.name} answered {operation} with {status}", status=status, body=body)


class _Taken(msgspec.Struct):
    number: str


class _Recalled(msgspec.Struct):
    done: bool
    reason: str = ""
    asked: bool = False


class _Events(msgspec.Struct):
    events: list[msgspec.Raw]
    more: bool
