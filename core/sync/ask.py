"""What an operator asks of a channel: written down, then seen done by whoever takes the channel's next turn."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from core.store.database import Store, Tx
from core.sync.work import DUE_AT_ONCE


class Watch(msgspec.Struct):
    """A channel as it stood when a turn was asked for, and from then on as it was last looked at."""

    id: int
    wanted: int
    """The turn asked for is done once the channel's `done` has come this far."""
    fails: int
    """Turns that failed in a row: one more than at the last look is an answer too."""
    before: Any
    """The channel's row before."""
    now: Any
    """The channel's row at the last look."""

    def look(self, store: Store) -> bool:
        """Whether the turn is over by now, well or not; see `failed`."""
        with store.read() as tx:
            self.now = tx.row("SELECT * FROM channels WHERE id = :id", id=self.id)
        known, self.fails = self.fails, self.now.fails
        return bool(self.now.done >= self.wanted or self.now.fails > known)

    @property
    def failed(self) -> bool:
        return bool(self.now.done < self.wanted)


def ask_turn(store: Store, channel_id: int) -> Watch:
    """Makes a channel due at once, a parked or silent one too: a person who asks may have mended it."""

    def work(tx: Tx) -> Watch:
        row = tx.row("SELECT * FROM channels WHERE id = :id /*lock*/", id=channel_id)
        tx.run(f"UPDATE channels SET wanted = wanted + 1, {DUE_AT_ONCE} WHERE id = :id", id=channel_id)
        return Watch(channel_id, row.wanted + 1, row.fails, row, row)

    return store.transact(work)


def ask_orders(store: Store, channel_id: int, numbers: Sequence[str], now: int) -> int:
    """Asks for single orders by the channel's numbers; returns the request's id."""
    return _ask(store, channel_id, "orders", {"orders": list(numbers)}, now)


def ask_since(store: Store, channel_id: int, since: datetime, now: int) -> int:
    """Asks for everything changed since an instant; returns the request's id."""
    return _ask(store, channel_id, "since", {"since": since.isoformat()}, now)


def ask_levels(store: Store, channel_id: int, now: int) -> int:
    """Asks for listings to be read and every level to be told again; returns the request's id."""
    return _ask(store, channel_id, "levels", {}, now)


def ask_reconcile(store: Store, channel_id: int, since: datetime | None, now: int) -> int:
    """Asks for a reconciliation of the orders placed since an instant, and of the levels; returns the request's id."""
    return _ask(store, channel_id, "reconcile", {} if since is None else {"since": since.isoformat()}, now)


def _ask(store: Store, channel_id: int, kind: str, argument: Mapping[str, Any], now: int) -> int:
    def work(tx: Tx) -> int:
        return int(
            tx.value(
                "INSERT INTO requests (channel_id, kind, argument, asked_at)"
                " VALUES (:channel, :kind, :argument, :now) RETURNING id",
                channel=channel_id,
                kind=kind,
                argument=json.dumps(argument),
                now=now,
            )
        )

    return store.transact(work)


def answers(store: Store, ids: Sequence[int]) -> dict[int, Any]:
    """What became of requests, by id; those not done yet are left out."""
    with store.read() as tx:
        rows = tx.rows("SELECT id, outcome FROM requests WHERE id IN :ids AND done_at IS NOT NULL", ids=list(ids))
    return {row.id: json.loads(row.outcome) for row in rows}


def channel_row(store: Store, name: str) -> Any:
    """A channel's row by its name, or None while it was never taken up."""
    with store.read() as tx:
        return tx.row("SELECT * FROM channels WHERE name = :name", name=name)
