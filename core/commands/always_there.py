"""People who are always there: what a simulated warehouse is asked for is taken up at once, and leaves soon after."""

from __future__ import annotations

import threading
import time
from typing import Any

PACKING = 5.0
"""Seconds from work's being taken up until its parcel leaves: time to call it back."""

_LOOKING = 0.2


class AlwaysThere:
    """Take up and send whatever lies in a yard, in one parcel each, until they are sent home."""

    def __init__(self, yard: Any, *, packing: float = PACKING) -> None:
        self._yard = yard
        self._packing = packing
        self._since: dict[str, float] = {}
        self._home = threading.Event()
        self._thread = threading.Thread(target=self._run, name="warehouse", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._home.set()
        self._thread.join()

    def look(self, now: float) -> None:
        """One look around, at `now` in seconds of any clock."""
        for key, work in self._yard.works().items():
            if key not in self._since:
                self._since[key] = now
                self._yard.accept(key)
            open_ = {number: work.open(number) for number in work.asked if work.open(number)}
            if open_ and now - self._since[key] >= self._packing:
                self._yard.send(key, [(f"1ZSIM{key}", open_)])

    def _run(self) -> None:
        while not self._home.wait(_LOOKING):
            self.look(time.monotonic())
