"""Connectors as the rounds use them: each with what is kept of its account beyond one connector's life."""

from __future__ import annotations

import threading
from functools import partial

from core.budgets import Budgets, Left, read
from core.connector import Connector, find
from core.credentials import Keeper, Memory
from core.settings import ChannelSettings, StoreSettings, WarehouseSettings
from core.store.credentials import Kept, seen
from core.store.database import Store
from core.store.seal import Seal
from core.warehouse import WarehouseConnector
from core.warehouse import find as find_warehouse


def stood(store: Store, name: str) -> dict[str, Left]:
    """How the channel's budgets stood at the end of its last turn; empty before its first."""
    with store.read() as tx:
        return read(tx.value("SELECT budgets FROM channels WHERE name = :name", name=name) or "")


class Keepers:
    """Every account's keeper, the same one for everything in this process that speaks for the account.

    Tokens are kept in the store where it has an encryption key, else in memory. Budgets begin as the channel's last
    turn left them.
    """

    def __init__(self, store: Store, settings: StoreSettings) -> None:
        self._store = store
        keys = settings.keys()
        self._seal = Seal(keys) if keys else None
        self._keepers: dict[str, Keeper] = {}
        self._lock = threading.Lock()

    def of(self, name: str) -> Keeper:
        """The keeper of the channel `name`."""
        with self._lock:
            if name not in self._keepers:
                budgets = Budgets(stood(self._store, name))
                self._keepers[name] = (
                    Memory(budgets, partial(seen, self._store, name))
                    if self._seal is None
                    else Kept(self._store, name, self._seal, budgets)
                )
            return self._keepers[name]

    def connect(self, name: str, settings: ChannelSettings) -> Connector:
        """A connector of the channel; the caller closes it."""
        return find(settings.connector)(name, settings, self.of(name))

    def warehouse(self, name: str, settings: WarehouseSettings) -> WarehouseConnector:
        """A connector of the warehouse; the caller closes it."""
        return find_warehouse(settings.connector)(name, settings, self.of(name))
