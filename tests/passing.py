"""Time that passes at once: what the product would sleep is noted, and every clock of the process goes on by it."""

from __future__ import annotations

import time

import pytest


def passing(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """From now on no wire sleeps; returns the sleeps there would have been."""
    slept: list[float] = []
    gone = 0.0
    monotonic, today = time.monotonic, time.time

    def pause(seconds: float) -> None:
        nonlocal gone
        slept.append(seconds)
        gone += seconds

    monkeypatch.setattr("core.http.pause", pause)
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + gone)
    monkeypatch.setattr(time, "time", lambda: today() + gone)
    return slept
