"""A channel in shadow: it is read like any other, and nothing that would change it can get through."""

from __future__ import annotations

from typing import Any, cast

from core.connector import WRITES, Connector


class _Shadow:
    """A connector without its writes. The rounds do not ask for any; one that does all the same is a bug."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector

    def __getattr__(self, name: str) -> Any:
        if name in WRITES:
            raise RuntimeError(f"a channel in shadow was to be told something ({name})")
        return getattr(self._connector, name)


def in_shadow(connector: Connector) -> Connector:
    """The same connector, unable to change anything at its channel."""
    return cast(Connector, _Shadow(connector))
