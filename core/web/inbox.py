"""The inbox: what came is written into the store by one thread, all that waits in one transaction.

So a hundred requests at once are one commit, none of them takes the store's lock for itself, and whoever brought
something is told so only after it is durable.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future

import structlog

from core.errors import StoreError
from core.model import Hint
from core.store.database import Store
from core.sync.channel import Clock, clock
from core.sync.hear import Heard, forget, hear

log = structlog.get_logger("ordersync")

MOST_WAITING = 5_000
"""Hints that may wait to be written: more are turned away, and come again or are found by polls."""

TELL_SECONDS = 1.0
"""How rarely refusals alone are written down: whoever is refused must not make the store work."""

FORGET_SECONDS = 3600.0


class Full(Exception):
    """So much waits to be written that no more is taken."""


class Inbox:
    """Takes hints from any thread. `stored` is called, by the inbox's own thread, whenever some are durable."""

    def __init__(self, store: Store, stored: Callable[[], None] = lambda: None, *, now: Clock = clock) -> None:
        self._store = store
        self._stored = stored
        self._now = now
        self._waiting: list[tuple[str, Sequence[Hint], Future[bool]]] = []
        self._refused: dict[str, Heard] = {}
        self._hints = 0
        self._news = threading.Condition()
        self._stopping = False
        self._told_at = -TELL_SECONDS
        self._forget_at = time.monotonic() + FORGET_SECONDS
        self._thread = threading.Thread(target=self._work, name="inbox", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Writes what waits and ends."""
        with self._news:
            self._stopping = True
            self._news.notify()
        self._thread.join()

    def put(self, channel: str, hints: Sequence[Hint]) -> Future[bool]:
        """Hints of a channel, done once they are durable: True, or False for a channel never taken up.

        Its exception is the `StoreError` that kept them from being written. Raises `Full`.
        """
        done: Future[bool] = Future()
        with self._news:
            if self._hints + len(hints) > MOST_WAITING or self._stopping:
                raise Full
            self._hints += len(hints)
            self._waiting.append((channel, hints, done))
            self._news.notify()
        return done

    def refuse(self, channel: str, reason: str, count: int = 1) -> None:
        """Counts requests or messages of a channel that were refused; written down in a moment."""
        with self._news:
            noted = self._refused.setdefault(channel, Heard())
            noted.refused += count
            noted.refusal = reason
            self._news.notify()

    def _work(self) -> None:
        while True:
            with self._news:
                while not self._is_time():
                    self._news.wait(self._patience())
                if self._stopping and not self._waiting and not self._refused:
                    return
                waiting, self._waiting, self._hints = self._waiting, [], 0
                refused, self._refused = self._refused, {}
            if waiting or refused:
                self._write(waiting, refused)
            if time.monotonic() >= self._forget_at:
                self._forget()

    def _is_time(self) -> bool:
        now = time.monotonic()
        telling = bool(self._refused) and now >= self._told_at + TELL_SECONDS
        return self._stopping or bool(self._waiting) or telling or now >= self._forget_at

    def _patience(self) -> float:
        now = time.monotonic()
        until = min(self._forget_at, self._told_at + TELL_SECONDS) if self._refused else self._forget_at
        return max(0.0, until - now)

    def _write(self, waiting: Sequence[tuple[str, Sequence[Hint], Future[bool]]], heard: dict[str, Heard]) -> None:
        self._told_at = time.monotonic()
        for channel, hints, _ in waiting:
            heard.setdefault(channel, Heard()).hints.extend(hints)
        # Who brought them may have gone by now: they are kept all the same.
        here = [(channel, done) for channel, _, done in waiting if done.set_running_or_notify_cancel()]
        try:
            strangers = hear(self._store, heard, self._now())
        except StoreError as error:
            failure: Exception = error
        except Exception as error:  # a bug of ours: told, and whoever waits is not left waiting
            log.exception("hints cannot be written")
            failure = StoreError(f"hints cannot be written ({type(error).__name__}); see the log")
        else:
            for channel, done in here:
                done.set_result(channel not in strangers)
            if waiting:
                self._stored()
            return
        for _, done in here:
            done.set_exception(failure)

    def _forget(self) -> None:
        self._forget_at = time.monotonic() + FORGET_SECONDS
        try:
            forget(self._store, self._now())
        except StoreError:
            return  # the daemon tells of the store's trouble; this is tried again in an hour
