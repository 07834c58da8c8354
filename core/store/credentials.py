"""One account's tokens in the store: encrypted, and renewed by one worker of all processes at a time."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Mapping, Sequence

import msgspec

from core.budgets import Budgets
from core.credentials import Grant, Look
from core.errors import Unauthorized
from core.store.database import Store, Tx
from core.store.seal import Seal, Unsealable

SECOND = 1_000_000


def seen(store: Store, name: str, numbers: Sequence[str]) -> dict[str, Look]:
    """What is stored of orders of the channel `name`, by number; see `core.credentials.Keeper`."""
    with store.read() as tx:
        rows = tx.rows(
            "SELECT o.number, o.version, o.observed_at FROM orders o JOIN channels c ON c.id = o.channel_id"
            " WHERE c.name = :name AND o.number IN :numbers",
            name=name,
            numbers=list(numbers),
        )
    return {row.number: Look(row.version, row.observed_at) for row in rows}


class Kept:
    """A `core.credentials.Keeper` on the table `credentials`. `name` is the channel's."""

    def __init__(self, store: Store, name: str, seal: Seal, budgets: Budgets | None = None) -> None:
        self.budgets = budgets or Budgets()
        self._store = store
        self._name = name
        self._seal = seal

    def seen(self, numbers: Sequence[str]) -> Mapping[str, Look]:
        return seen(self._store, self._name, numbers)

    def load(self, kind: str, origin: str) -> Grant | None:
        with self._store.read() as tx:
            row = tx.row(
                "SELECT sealed FROM credentials WHERE channel = :channel AND kind = :kind AND origin = :origin",
                channel=self._name,
                kind=kind,
                origin=origin,
            )
        if row is None or row.sealed is None:
            return None
        sealed = bytes(row.sealed)
        try:
            plain, by_first_key = self._seal.open(sealed, self._place(kind))
        except Unsealable as error:
            raise Unauthorized(f"the token kept for {self._name} cannot be read: {error}") from None
        if not by_first_key:
            self._seal_anew(kind, sealed, plain)
        return msgspec.json.decode(plain, type=Grant)

    def lease(self, kind: str, seconds: float) -> str:
        lease, now = f"{_here()}:{os.getpid()}:{uuid.uuid4().hex}", _micros(time.time())

        def work(tx: Tx) -> int:
            tx.run(
                "INSERT INTO credentials (channel, kind) VALUES (:channel, :kind) ON CONFLICT DO NOTHING",
                channel=self._name,
                kind=kind,
            )
            holder = tx.value(
                "SELECT leased_by FROM credentials WHERE channel = :channel AND kind = :kind",
                channel=self._name,
                kind=kind,
            )
            return tx.run(
                "UPDATE credentials SET leased_by = :lease, leased_until = :until WHERE channel = :channel"
                " AND kind = :kind AND (leased_until <= :now OR leased_by = :dead)",
                lease=lease,
                dead=holder if _is_dead(holder) else lease,
                until=now + int(seconds * SECOND),
                channel=self._name,
                kind=kind,
                now=now,
            )

        return lease if self._store.transact(work) else ""

    def save(self, kind: str, origin: str, grant: Grant, lease: str) -> bool:
        sealed = self._seal.seal(msgspec.json.encode(grant), self._place(kind))
        return bool(
            self._store.transact(
                lambda tx: tx.run(
                    "UPDATE credentials SET origin = :origin, sealed = :sealed, expires_at = :expires,"
                    " renew_at = :renew, version = version + 1"
                    " WHERE channel = :channel AND kind = :kind AND leased_by = :lease",
                    origin=origin,
                    sealed=sealed,
                    expires=_micros(grant.expires_at),
                    renew=_micros(grant.renew_at),
                    channel=self._name,
                    kind=kind,
                    lease=lease,
                )
            )
        )

    def release(self, kind: str, lease: str) -> None:
        self._store.transact(
            lambda tx: tx.run(
                "UPDATE credentials SET leased_by = '', leased_until = 0"
                " WHERE channel = :channel AND kind = :kind AND leased_by = :lease",
                channel=self._name,
                kind=kind,
                lease=lease,
            )
        )

    def _seal_anew(self, kind: str, sealed: bytes, plain: bytes) -> None:
        """With the present key, so that the old one may go; nothing where it was renewed meanwhile."""
        anew = self._seal.seal(plain, self._place(kind))
        self._store.transact(
            lambda tx: tx.run(
                "UPDATE credentials SET sealed = :anew WHERE channel = :channel AND kind = :kind AND sealed = :sealed",
                anew=anew,
                channel=self._name,
                kind=kind,
                sealed=sealed,
            )
        )

    def _place(self, kind: str) -> str:
        return _place(self._name, kind)


def unreadable(store: Store, seal: Seal) -> dict[str, str]:
    """The channels whose kept tokens none of the keys opens, and why."""
    with store.read() as tx:
        rows = tx.rows("SELECT channel, kind, sealed FROM credentials WHERE sealed IS NOT NULL ORDER BY channel, kind")
    found: dict[str, str] = {}
    for row in rows:
        try:
            seal.open(bytes(row.sealed), _place(row.channel, row.kind))
        except Unsealable as error:
            found.setdefault(row.channel, str(error))
    return found


def _place(name: str, kind: str) -> str:
    return f"credentials.sealed {name} {kind}"


def _micros(seconds: float) -> int:
    return int(seconds * SECOND)


def _here() -> str:
    """Which set of processes a process number means one of: the host, and the namespace where there are several."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return f"{socket.gethostname()}/{space}"


def _is_dead(holder: str) -> bool:
    """Whether a lease's holder was a process of this very place that is no more: nobody has to wait for it."""
    place, _, rest = holder.rpartition(":")[0].rpartition(":")
    if place != _here() or not rest.isdigit():
        return False
    try:
        os.kill(int(rest), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
