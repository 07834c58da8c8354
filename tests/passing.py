"""Time that passes at once: what the product would sleep is noted, and the clocks of the process go on by it."""

from __future__ import annotations

import time

import pytest


class Slept(list[float]):
    """The sleeps there would have been, and the seconds by which the clocks are ahead."""

    ahead = 0.0

    def later(self, seconds: float) -> None:
        """So much time passes."""
        self.ahead += seconds

    def pause(self, seconds: float) -> None:
        self.append(seconds)
        self.later(seconds)


def passing(monkeypatch: pytest.MonkeyPatch) -> Slept:
    """From now on no wire sleeps; returns the sleeps there would have been."""
    slept = Slept()
    monotonic, today = time.monotonic, time.time
    monkeypatch.setattr("core.http.pause", slept.pause)
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + slept.ahead)
    monkeypatch.setattr(time, "time", lambda: today() + slept.ahead)
    return slept
