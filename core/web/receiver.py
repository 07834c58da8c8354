"""The addresses: `POST /hooks/CHANNEL` for what channels tell, `GET /health` and `GET /ready` for those who watch.

| status | means |
|---|---|
| 200 | stored, durably; or genuine and nothing to look at: too old, or about something we do not use |
| 401 | not signed by the channel |
| 404, 405 | no such address, or no channel that may call |
| 408, 413 | too slow, too long |
| 503 | not stored: to be sent again |

Nothing of a request's body is ever logged or answered.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import structlog

from core.connector import Ability, Connector, find
from core.errors import BadDocument, Forged, Stale, StoreError
from core.model import Call
from core.settings import ChannelSettings
from core.web.inbox import Full, Inbox
from core.web.server import Answer, Request

log = structlog.get_logger("ordersync")

HOOKS = "/hooks/"

TELL_SECONDS = 60.0
"""How often a channel's refusals are told in the log, at most."""

_LATER = Answer(503, "not stored; send it again", {"retry-after": "10"})
_NOBODY = Answer(404)


class Receiver:
    """Answers requests. `channels` gives the settings in force, `ready` why the service is not (empty: it is)."""

    def __init__(
        self, channels: Callable[[], Mapping[str, ChannelSettings]], inbox: Inbox, ready: Callable[[], str]
    ) -> None:
        self._channels = channels
        self._inbox = inbox
        self._ready = ready
        self._connectors: dict[str, tuple[ChannelSettings, Connector]] = {}
        self._told: dict[str, float] = {}

    async def answer(self, request: Request) -> Answer:
        """One request's answer; see the module."""
        if request.path.startswith(HOOKS):
            if request.method != "POST":
                return Answer(405, headers={"allow": "POST"})
            return await self._hook(request.path.removeprefix(HOOKS), request)
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

    def _refused(self, name: str, error: Exception, status: int) -> Answer:
        self._inbox.refuse(name, str(error))
        now = time.monotonic()
        if now - self._told.get(name, -TELL_SECONDS) >= TELL_SECONDS:
            self._told[name] = now
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
