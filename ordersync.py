"""The `ordersync` script: Ctrl-C is heeded before the commands are loaded, which takes a second."""

from __future__ import annotations

import os
import signal
from types import FrameType


def main() -> None:
    """Loads the commands and runs the one that is asked for."""
    heed = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # ignored, say under nohup, it stays ignored
    if heed:
        signal.signal(signal.SIGINT, _leave)
    from daemon import main as run  # here: nothing is loaded until now

    if heed:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        run()
    except KeyboardInterrupt:  # pressed before the command that is asked for has begun: it was still being put together
        raise SystemExit(128 + signal.SIGINT) from None
    finally:
        if heed:  # pressed again while what is open is being closed
            signal.signal(signal.SIGINT, _leave)


def _leave(number: int, frame: FrameType | None) -> None:
    """At once and without a word: nothing has begun, or everything is said. Exit code 130, as shells report Ctrl-C."""
    os._exit(128 + number)
