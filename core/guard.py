"""No network call while a database transaction is open: one flag per thread, set by the store, read by the wire."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _State(threading.local):
    transactions = 0


_state = _State()


@contextmanager
def transaction() -> Iterator[None]:
    """Marks this thread as inside a database transaction."""
    _state.transactions += 1
    try:
        yield
    finally:
        _state.transactions -= 1


def forbid_in_transaction(what: str) -> None:
    """Raises `RuntimeError` when this thread holds a transaction open: a bug, never the channel's fault."""
    if _state.transactions:
        raise RuntimeError(f"{what} inside a database transaction")
