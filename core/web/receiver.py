"""The addresses: `POST /hooks/CHANNEL` for what channels tell, `POST /warehouses/NAME` for what warehouses do, `GET
/health` and `GET /ready` for those who watch.

| status | means |
|---|---|
| 200 | stored, durably; or genuine and nothing to look at: too old, or about something we do not use |
| 401 | not signed by the channel |
| 400 | of a warehouse: signed, and no list of events |
| 404, 405 | no such address, or no channel or warehouse that may call |
| 408, 413 | too slow, too long |
| 503 | not stored: to be sent again |

Nothing of a request's body is ever logged or answered.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import structlog

from core.connector import Ability, Connector, find
from core.errors import BadDocument, Forged, Stale, StoreError
from core.handover import Notice
from core.model import Call
from core.settings import ChannelSettings, WarehouseSettings
from core.warehouse import Deed, WarehouseConnector
from core.warehouse import find as find_warehouse
from core.web.inbox import Full, Inbox
from core.web.server import Answer, Request

log = structlog.get_logger("ordersync")

HOOKS = "/hooks/"
HOUSES = "/warehouses/"

AT_ONCE = 4
"""Calls of warehouses that are stored at the same time."""

Keep = Callable[[str, Sequence[Notice]], bool]
"""Keeps a warehouse's notices durably; False where nobody knows the warehouse yet. Raises `StoreError`."""

TELL_SECONDS = 60.0
"""How often a channel's refusals are told in the log, at most."""

_LATER = Answer(503, "not stored; send it again", {"retry-after": "10"})
_NOBODY = Answer(404)


class Receiver:
    """Answers requests. `channels` gives the settings in force, `ready` why the service is not (empty: it is)."""

    def __init__(
        self,
        channels: Callable[[], Mapping[str, ChannelSettings]],
        inbox: Inbox,
        ready: Callable[[], str],
        houses: Callable[[], Mapping[str, WarehouseSettings]] = dict,
        keep: Keep = lambda name, notices: False,
    ) -> None:
        self._channels = channels
        self._houses = houses
        self._keep = keep
        self._opened: dict[str, tuple[WarehouseSettings, WarehouseConnector]] = {}
        self._keeping = asyncio.Semaphore(AT_ONCE)
        self._inbox = inbox
        self._ready = ready
        self._connectors: dict[str, tuple[ChannelSettings, Connector]] = {}
        self._told_at: dict[str, float] = {}
        self._tried: dict[str, float] = {}

    async def answer(self, request: Request) -> Answer:
        """One request's answer; see the module."""
        if request.path.startswith(HOOKS):
            if request.method != "POST":
                return Answer(405, headers={"allow": "POST"})
            return await self._hook(request.path.removeprefix(HOOKS), request)
        if request.path.startswith(HOUSES):
            if request.method != "POST":
                return Answer(405, headers={"allow": "POST"})
            return await self._told(request.path.removeprefix(HOUSES), request)
        if request.path in ("/health", "/ready"):
            if request.method != "GET":
                return Answer(405, headers={"allow": "GET"})
            trouble = self._ready() if request.path == "/ready" else ""
            return Answer(503, trouble) if trouble else Answer(200)
        return _NOBODY

    async def _hook(self, name: str, request: Request) -> Answer:
        connector = self._connector(name)
        if connector is None:
            return _NOBODY
        call = Call(body=request.body, headers=request.headers, at=datetime.now(UTC))
        try:
            hints = connector.hints(call)
        except Forged as error:
            return self._refused(name, error, 401)
        except (Stale, BadDocument) as error:  # genuine: whoever sent it would only send it again
            return self._refused(name, error, 200)
        if not hints:
            return Answer(200)
        try:
            stored = await asyncio.wrap_future(self._inbox.put(name, hints))
        except (Full, StoreError):
            return _LATER
        return Answer(200) if stored else _LATER

    async def _told(self, name: str, request: Request) -> Answer:
        """What a warehouse tells is an event and no hint: it is kept whole before it is answered."""
        house = self._house(name)
        if house is None:
            return _NOBODY
        call = Call(body=request.body, headers=request.headers, at=datetime.now(UTC))
        try:
            notices = house.receive(call)
        except (Forged, Stale) as error:  # signed anew it may be taken: nothing of it is kept
            return self._unwelcome(name, error, 401)
        except BadDocument as error:
            return self._unwelcome(name, error, 400)
        if not notices:
            return Answer(200)
        try:
            async with self._keeping:
                stored = await asyncio.to_thread(self._keep, name, notices)
        except StoreError:
            return _LATER
        return Answer(200) if stored else _LATER

    def _unwelcome(self, name: str, error: Exception, status: int) -> Answer:
        now = time.monotonic()
        if now - self._tried.get(name, -TELL_SECONDS) >= TELL_SECONDS:
            self._tried[name] = now
            log.warning("notice refused", warehouse=name, reason=str(error))
        return Answer(status)

    def _house(self, name: str) -> WarehouseConnector | None:
        """A connector of the warehouse to read requests with; None where it may not call."""
        settings = self._houses().get(name)
        if settings is None:
            return None
        known = self._opened.get(name)
        if known is None or known[0] != settings:
            known = self._opened[name] = settings, find_warehouse(settings.connector)(name, settings)
        return known[1] if Deed.CALLS in known[1].abilities else None

    def _refused(self, name: str, error: Exception, status: int) -> Answer:
        self._inbox.refuse(name, str(error))
        now = time.monotonic()
        if now - self._told_at.get(name, -TELL_SECONDS) >= TELL_SECONDS:
            self._told_at[name] = now
            log.warning("hint refused", channel=name, reason=str(error))
        return Answer(status)

    def _connector(self, name: str) -> Connector | None:
        """A connector of the channel to read requests with; None where the channel may not call."""
        settings = self._channels().get(name)
        if settings is None:
            return None
        known = self._connectors.get(name)
        if known is None or known[0] != settings:
            known = settings, find(settings.connector)(name, settings)
            self._connectors[name] = known
        connector = known[1]
        if Ability.HINTS not in connector.abilities or connector.deaf():
            return None
        return connector
