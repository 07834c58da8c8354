"""The end that a signal asks for.

No `threading.Event`: its handler runs in the main thread, which may hold the event's lock just then and would wait for
itself for ever. And a signal that comes in the moment before a wait does not end that wait by itself.
"""

from __future__ import annotations

import time

HEED_SECONDS = 0.2
"""How late a signal may be heeded."""


class Asked:
    """Whether the end was asked for; `set` may be called by a signal's handler at any moment."""

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        self._is_set = True

    def is_set(self) -> bool:
        return self._is_set

    def wait(self, seconds: float | None = None) -> bool:
        """Waits until it is asked for, or for so many seconds; returns whether it was."""
        ends = None if seconds is None else time.monotonic() + seconds
        while not self._is_set:
            left = HEED_SECONDS if ends is None else min(HEED_SECONDS, ends - time.monotonic())
            if left <= 0:
                break
            time.sleep(left)
        return self._is_set
