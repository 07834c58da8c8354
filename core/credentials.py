"""An account's access token: fetched when needed, renewed in time by one worker at a time, kept before it is used.

A token is renewed at four fifths of its life, and once more when a channel answers that it is dead. Of all threads and
processes that speak for an account one fetches at a time; the others wait for what it brings. What was fetched is kept
first and used then: a refresh token that the channel gives anew with each access token is never lost to a crash that
the channel itself would forgive.

Where tokens are kept is a `Keeper`'s matter. A connector is handed one and gives it to its `Tokens`; the one in memory,
`Memory`, is there for tests and for whoever runs a connector by itself.
"""

from __future__ import annotations

import hashlib
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from core.budgets import Budgets
from core.errors import Unauthorized, Unavailable

RENEWED_AT = 0.8
"""The part of its life after which a token is renewed."""

LEASE = 90.0
"""Seconds one worker has for a renewal before another may try: longer than all tries of a token request take."""

DEADLINE = 10.0
"""Seconds one try of a token request may take; see `core.http.client`."""

PATIENCE = 10.0
"""Seconds a worker waits for another's renewal before it says so."""

LONGEST = 10 * 365 * 86_400.0
"""Seconds no token is trusted longer than, whatever its service says."""

PAUSE = 0.05
"""Seconds between two looks at what the other has brought."""


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """A token as it was granted. Instants are seconds since 1970 by this machine's clock. Its text holds no secret."""

    access: str
    expires_at: float
    renew_at: float
    refresh: str = ""
    """What the next one is fetched with, where the channel gives a new one each time; else empty."""
    refresh_expires_at: float | None = None

    def __repr__(self) -> str:
        return f"Grant(expires_at={self.expires_at!r})"


class Granted(msgspec.Struct, frozen=True):
    """What a token service answered. Its text holds no secret."""

    access: str
    life: float
    """Seconds; `math.inf` where it never ends."""
    refresh: str = ""
    """The new refresh token, where the channel gives one with each access token."""
    refresh_life: float | None = None

    def __repr__(self) -> str:
        return f"Granted(life={self.life!r})"


class Look(NamedTuple):
    """The latest look at an order that was stored. Both are microseconds since 1970."""

    version: int
    """See `core.model.Order`."""
    at: int
    """When the channel was asked, by this machine's clock."""


class Keeper(Protocol):
    """What is kept of one account beyond one connector's life: its tokens, by kind, who of all its workers may renew
    them, what is left of its budgets, and which of its orders were seen.

    `origin` says what a token was fetched with (see `origin`): one of another origin is never given out. Methods may be
    called from any thread, outside of database transactions. They raise `StoreError` where the store behind them
    cannot be used, `Unauthorized` where what it holds cannot be read, with what to do.
    """

    @property
    def budgets(self) -> Budgets:
        """The same for everything in this process that speaks for the account."""
        ...

    def seen(self, numbers: Sequence[str]) -> Mapping[str, Look]:
        """What is stored of the orders with these numbers; without those that are not stored.

        So a pull that looks back need not read again what it has read."""
        ...

    def load(self, kind: str, origin: str) -> Grant | None:
        """What was saved last; None where there is nothing of this origin."""
        ...

    def lease(self, kind: str, seconds: float) -> str:
        """The right to renew, for so long: a name for `save` and `release`; empty while another worker has it."""
        ...

    def save(self, kind: str, origin: str, grant: Grant, lease: str) -> bool:
        """Keeps a grant so that no crash loses it; False, and nothing changed, when the lease is another's by now."""
        ...

    def release(self, kind: str, lease: str) -> None:
        """Gives the right to renew back; nothing where it has passed to another."""
        ...


class Memory:
    """A keeper for one process: what it holds ends with it. `seen` tells what is stored; by default nothing is."""

    def __init__(
        self, budgets: Budgets | None = None, seen: Callable[[Sequence[str]], Mapping[str, Look]] | None = None
    ) -> None:
        self.budgets = budgets or Budgets()
        self._seen = seen
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[str, Grant]] = {}
        self._leases: dict[str, tuple[str, float]] = {}

    def seen(self, numbers: Sequence[str]) -> Mapping[str, Look]:
        return self._seen(numbers) if self._seen is not None else {}

    def load(self, kind: str, origin: str) -> Grant | None:
        with self._lock:
            of, grant = self._kept.get(kind, ("", None))
            return grant if of == origin else None

    def lease(self, kind: str, seconds: float) -> str:
        now = time.monotonic()
        with self._lock:
            if self._leases.get(kind, ("", now))[1] > now:
                return ""
            lease = uuid.uuid4().hex
            self._leases[kind] = lease, now + seconds
            return lease

    def save(self, kind: str, origin: str, grant: Grant, lease: str) -> bool:
        with self._lock:
            if self._leases.get(kind, ("", 0.0))[0] != lease:
                return False
            self._kept[kind] = origin, grant
            return True

    def release(self, kind: str, lease: str) -> None:
        with self._lock:
            if self._leases.get(kind, ("", 0.0))[0] == lease:
                del self._leases[kind]


class Tokens:
    """One account's access token of one kind. Any thread may ask."""

    def __init__(
        self,
        fetch: Callable[[str], Granted],
        *,
        account: str = "this account",
        keeper: Keeper | None = None,
        kind: str = "access",
        origin: str = "",
        rotates: bool = False,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        """`fetch` asks the token service, given the refresh token it answered last (empty where it gave none), and
        raises `Unauthorized` or `Unavailable`. It must be harmless to ask twice with the same refresh token.

        `rotates`: nobody but the keeper knows the newest refresh token, so what it cannot read is raised. Where that is
        not so, a token that cannot be read is fetched anew."""
        self._fetch = fetch
        self._account = account
        self._keeper = keeper if keeper is not None else Memory()
        self._kind = kind
        self._origin = origin
        self._rotates = rotates
        self._wait = wait
        self._lock = threading.Lock()
        self._held: Grant | None = None
        self._renew_at = 0.0
        """By the monotonic clock: this machine's time of day may be set meanwhile."""

    def get(self, *, newer_than: str | None = None) -> str:
        """The token; with `newer_than`, another one than that (a 401 has shown it dead)."""
        with self._lock:
            held = self._held
            if held is None or held.access == newer_than or time.monotonic() >= self._renew_at:
                held = self._renewed(newer_than)
            return held.access

    def _renewed(self, dead: str | None) -> Grant:
        """A token worth using, fetched here or by another worker meanwhile."""
        worn = self._held.access if self._held is not None else None
        ends = time.monotonic() + PATIENCE
        while True:
            kept = self._load()
            if kept is not None and kept.access not in (dead, worn) and time.time() < kept.renew_at:
                return self._hold(kept)
            lease = self._keeper.lease(self._kind, LEASE)
            if lease:
                try:
                    grant = self._fetched(lease, dead, worn)
                finally:
                    self._keeper.release(self._kind, lease)
                if grant is not None:
                    return self._hold(grant)
            elif kept is not None and kept.access != dead and time.time() < kept.expires_at:
                return self._hold(kept)  # worn and not dead: it serves while another worker renews it
            elif time.monotonic() >= ends:
                raise Unavailable(f"another worker has begun to renew the token of {self._account}", after=PATIENCE)
            else:
                self._wait(PAUSE)

    def _fetched(self, lease: str, dead: str | None, worn: str | None) -> Grant | None:
        """Under the lease: what was kept before it was had, else a new token, kept; None when the lease was lost."""
        kept = self._load()
        if kept is not None and kept.access not in (dead, worn) and time.time() < kept.renew_at:
            return kept
        before = kept.refresh if kept is not None else ""
        granted = self._fetch(before)
        now, life = time.time(), min(granted.life, LONGEST)
        grant = Grant(
            access=granted.access,
            expires_at=now + life,
            renew_at=now + RENEWED_AT * life,
            refresh=granted.refresh or before,
            refresh_expires_at=None if granted.refresh_life is None else now + granted.refresh_life,
        )
        return grant if self._keeper.save(self._kind, self._origin, grant, lease) else None

    def _load(self) -> Grant | None:
        try:
            return self._keeper.load(self._kind, self._origin)
        except Unauthorized:
            if self._rotates:
                raise
            return None

    def _hold(self, grant: Grant) -> Grant:
        self._held = grant
        self._renew_at = time.monotonic() + grant.renew_at - time.time()
        return grant


def origin(*parts: str) -> str:
    """What tokens were fetched with, as a digest: the token service, the client, the first refresh token."""
    return hashlib.sha256(b"\0".join(part.encode() for part in parts)).hexdigest()
