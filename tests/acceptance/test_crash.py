"""A short crash test: the real daemon killed eight times among faults; `make crash` kills it fifty times."""

from __future__ import annotations

from pathlib import Path

from tests.crash import Crash


def test_eight_kills_lose_nothing_and_repeat_nothing(tmp_path: Path) -> None:
    crash = Crash(tmp_path, seed=20261127)
    sound = crash.run(kills=8)
    assert sound, crash.report()
    assert crash.kills == 8
    assert sum(row.cancelled for row in crash.rows) > 0, "something was cancelled here among the kills"
    assert sum(row.refunds for row in crash.rows) > 0, "and something refunded"
