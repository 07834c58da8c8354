"""The end that a signal asks for, whenever it comes."""

from __future__ import annotations

import subprocess
import sys

import pytest

BEFORE = """
import os, signal
from core.asked import Asked
asked = Asked()
signal.signal(signal.SIGTERM, lambda number, frame: asked.set())
os.kill(os.getpid(), signal.SIGTERM)
assert asked.wait()
"""

IN_EVERY_MOMENT = """
import signal
from core.asked import Asked
for one in range(3000):
    asked = Asked()
    signal.signal(signal.SIGALRM, lambda number, frame: asked.set())
    signal.setitimer(signal.ITIMER_REAL, 1e-6 * (1 + one % 100))
    while not asked.wait(0.00001):
        pass
"""

AFTER = """
from core.asked import Asked
asked = Asked()
assert not asked.wait(0.01) and not asked.is_set()
asked.set()
assert asked.wait(0.01) and asked.wait() and asked.is_set()
"""


@pytest.mark.parametrize("script", [BEFORE, IN_EVERY_MOMENT, AFTER])
def test_it_is_heeded(script: str) -> None:
    """In a process of its own, which would hang."""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
