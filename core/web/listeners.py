"""Queues: one thread for each channel that has one, taking messages out as they come."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

import structlog

from core.connector import Ability, Connector, find
from core.errors import ChannelError, StoreError, Unavailable, UserError
from core.model import Hint
from core.settings import ChannelSettings
from core.store.database import Store
from core.sync.hear import note_queue
from core.web.inbox import Full, Inbox

log = structlog.get_logger("ordersync")

WAIT_SECONDS = 20.0
"""How long one look into an empty queue lasts: the longest that queues offer."""

PAUSE_SECONDS = 5.0
"""Until a queue that does not answer is looked into again."""

TROUBLE_SECONDS = 60.0
"""The same for one that a person has to mend."""


class Listeners:
    """The threads of all queues, kept up with the settings."""

    def __init__(self, store: Store, inbox: Inbox) -> None:
        self._store = store
        self._inbox = inbox
        self._running: dict[str, tuple[ChannelSettings, _Listener]] = {}
        self._silent: dict[str, ChannelSettings] = {}
        """Channels known to have no queue, as long as their settings stay."""

    def follow(self, channels: Mapping[str, ChannelSettings]) -> None:
        """Starts what is missing and ends what is no longer wanted."""
        for name in [name for name, (own, _) in self._running.items() if channels.get(name) != own]:
            self._running.pop(name)[1].stop()
        for name, settings in channels.items():
            if name in self._running or self._silent.get(name) == settings:
                continue
            connector = self._able(name, settings)
            if connector is None:
                self._silent[name] = settings
                continue
            listener = _Listener(name, connector, self._store, self._inbox)
            self._running[name] = settings, listener
            listener.start()

    @staticmethod
    def _able(name: str, settings: ChannelSettings) -> Connector | None:
        """A connector for the thread that listens, of its own as one thread uses one; None: there is nothing.

        A channel in shadow is not listened to: what is taken out of a queue is gone for whoever works live on it.
        """
        if settings.mode != "live":
            return None
        try:
            connector = find(settings.connector)(name, settings)
            if Ability.QUEUE in connector.abilities and not connector.deaf():
                return connector
            connector.close()
        except Exception:  # a plugin's bug: the channel's own turns tell of it, and the others' queues go on
            log.exception("no connector to listen with", channel=name)
        return None

    def stop(self) -> None:
        """Asks all of them to end; what they have taken out and not stored stays in its queue."""
        for _, listener in self._running.values():
            listener.stop()
        self._running.clear()


class _Listener:
    """One channel's queue."""

    def __init__(self, name: str, connector: Connector, store: Store, inbox: Inbox) -> None:
        self._name = name
        self._connector = connector
        self._store = store
        self._inbox = inbox
        self._stopping = threading.Event()
        self._trouble: str | None = None
        self._thread = threading.Thread(target=self._listen, name=f"queue-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()

    def _listen(self) -> None:
        while not self._stopping.is_set():
            pause = self._once()
            if pause:
                self._stopping.wait(pause)
        self._connector.close()

    def _once(self) -> float:
        """One batch; returns for how long to rest."""
        try:
            self._connector.listen(self._keep, wait=WAIT_SECONDS)
        except (StoreError, Full):  # the batch stays in the queue; the daemon tells of the store's trouble
            return PAUSE_SECONDS
        except Unavailable as error:
            self._note(f"{error}; tried again by itself")
            return max(PAUSE_SECONDS, error.after or 0.0)
        except (ChannelError, UserError) as error:
            self._note(str(error))
            return TROUBLE_SECONDS
        except Exception as error:
            log.exception("queue cannot be listened to", channel=self._name)
            self._note(f"{type(error).__name__}; see the log")
            return TROUBLE_SECONDS
        self._note("")
        return 0.0

    def _keep(self, hints: Sequence[Hint], refusals: Sequence[str]) -> None:
        if refusals:
            self._inbox.refuse(self._name, refusals[-1], len(refusals))
        if hints and not self._inbox.put(self._name, hints).result():
            raise Full  # a channel that was never taken up has nowhere to keep them yet

    def _note(self, trouble: str) -> None:
        """One line when it begins and one when it ends; status shows it meanwhile."""
        if trouble == self._trouble:
            return
        if trouble:
            log.warning("queue does not answer", channel=self._name, reason=trouble)
        elif self._trouble:
            log.info("queue works again", channel=self._name)
        try:
            note_queue(self._store, self._name, trouble)
        except StoreError:
            return  # noted at the next look
        self._trouble = trouble
