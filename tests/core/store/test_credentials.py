"""Tokens in the store: encrypted, of one origin, and renewed by one worker at a time."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from core import credentials
from core.credentials import Grant, Granted, Tokens
from core.errors import Unauthorized
from core.store.credentials import Kept
from core.store.database import Store
from core.store.seal import Seal

KEY, OTHER = b"k" * 32, b"o" * 32
CANARIES = ("access-canary", "refresh-canary")


def grant(access: str = CANARIES[0], refresh: str = CANARIES[1]) -> Grant:
    now = time.time()
    return Grant(access=access, expires_at=now + 100, renew_at=now + 80, refresh=refresh)


def kept(store: Store, name: str = "shop", *keys: bytes) -> Kept:
    return Kept(store, name, Seal(keys or [KEY]))


def save(keeper: Kept, what: Grant, origin: str = "") -> bool:
    lease = keeper.lease("access", 60.0)
    assert lease
    try:
        return keeper.save("access", origin, what, lease)
    finally:
        keeper.release("access", lease)


def row(store: Store) -> Any:
    with store.read() as tx:
        return tx.row("SELECT * FROM credentials")


def test_what_was_saved_is_what_any_process_loads(store: Store) -> None:
    saved = grant()
    assert kept(store).load("access", "") is None
    assert save(kept(store), saved)
    assert kept(store).load("access", "") == saved
    assert row(store).version == 1
    assert 0 < row(store).renew_at < row(store).expires_at


def test_accounts_kinds_and_origins_are_told_apart(store: Store) -> None:
    save(kept(store), grant(), origin="here")
    assert kept(store).load("access", "here") is not None
    assert kept(store).load("access", "there") is None
    assert kept(store).load("notifications", "here") is None
    assert kept(store, "other").load("access", "here") is None


def test_a_new_origin_takes_the_place_of_the_old_one(store: Store) -> None:
    save(kept(store), grant("old"), origin="here")
    save(kept(store), grant("new"), origin="there")
    assert kept(store).load("access", "here") is None
    found = kept(store).load("access", "there")
    assert found is not None
    assert found.access == "new"


def test_one_worker_at_a_time_may_renew(store: Store) -> None:
    one, two = kept(store), kept(store)
    lease = one.lease("access", 60.0)
    assert lease
    assert two.lease("access", 60.0) == ""
    assert two.lease("notifications", 60.0), "another kind is another matter"
    one.release("access", lease)
    second = two.lease("access", 60.0)
    assert second
    one.release("access", lease)
    assert one.lease("access", 60.0) == "", "a lease given back twice takes nobody else's away"


def test_a_lease_that_ran_out_passes_on_and_its_former_holder_saves_nothing(store: Store) -> None:
    one, two = kept(store), kept(store)
    late = one.lease("access", 0.0)
    lease = two.lease("access", 60.0)
    assert lease
    assert two.save("access", "", grant("theirs"), lease)
    assert not one.save("access", "", grant("late"), late)
    found = one.load("access", "")
    assert found is not None
    assert found.access == "theirs"


def test_nobody_waits_for_a_holder_that_was_killed(store: Store) -> None:
    """A lease of a process of this machine that is no more is free at once; one of another machine runs out."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as holder:
        mine = kept(store).lease("access", 60.0)
        theirs = mine.replace(f":{os.getpid()}:", f":{holder.pid}:")
        for place in ("", "elsewhere/"):
            with store.write() as tx:
                tx.run("UPDATE credentials SET leased_by = :lease", lease=f"{place}{theirs}")
            assert kept(store).lease("access", 60.0) == ""
        holder.kill()
    assert kept(store).lease("access", 60.0) == "", "it may live on elsewhere"
    with store.write() as tx:
        tx.run("UPDATE credentials SET leased_by = :lease", lease=theirs)
    assert kept(store).lease("access", 60.0)


def test_another_key_is_told_with_its_cure_and_an_old_one_still_opens(store: Store) -> None:
    save(kept(store), grant())
    with pytest.raises(Unauthorized, match=r"the token kept for shop cannot be read.*encryption_keys_old"):
        kept(store, "shop", OTHER).load("access", "")
    assert kept(store, "shop", OTHER, KEY).load("access", "") is not None
    assert kept(store, "shop", OTHER).load("access", "") is not None, "it was sealed anew: the old key may go"


def test_tampered_bytes_are_told_and_never_used(store: Store) -> None:
    save(kept(store), grant())
    with store.write() as tx:
        body = bytearray(row(store).sealed)
        body[20] ^= 1
        tx.run("UPDATE credentials SET sealed = :sealed", sealed=bytes(body))
    with pytest.raises(Unauthorized, match="damaged or moved; restore the newest backup"):
        kept(store).load("access", "")


def test_a_token_moved_to_another_account_does_not_open_there(store: Store) -> None:
    save(kept(store), grant())
    save(kept(store, "other"), grant("theirs"))
    with store.write() as tx:
        tx.run(
            "UPDATE credentials SET sealed = (SELECT sealed FROM credentials WHERE channel = 'shop')"
            " WHERE channel = 'other'"
        )
    with pytest.raises(Unauthorized, match="damaged or moved"):
        kept(store, "other").load("access", "")


def test_no_byte_of_the_store_shows_a_token(sqlite_store: Store) -> None:
    keeper = kept(sqlite_store)
    for number in range(50):
        save(keeper, grant(f"{CANARIES[0]}-{number}", f"{CANARIES[1]}-{number}"))
    file = Path(str(sqlite_store.engine.url.database))
    files = [path for path in file.parent.iterdir() if path.name.startswith(file.name)]
    assert {path.suffix for path in files} >= {".sqlite", ".sqlite-wal"}
    raw = b"".join(path.read_bytes() for path in files)
    assert b"credentials" in raw
    assert [canary for canary in CANARIES if canary.encode() in raw] == []


def test_a_restart_needs_no_fetch_and_goes_on_with_the_newest_refresh_token(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def fetch(refresh: str) -> Granted:
        asked.append(refresh)
        return Granted(f"access-{len(asked)}", 100.0, f"refresh-{len(asked)}")

    assert Tokens(fetch, keeper=kept(store)).get() == "access-1"
    assert Tokens(fetch, keeper=kept(store)).get() == "access-1"
    later = time.time() + 90
    monkeypatch.setattr(credentials.time, "time", lambda: later)  # type: ignore[attr-defined]  # the module's own
    assert Tokens(fetch, keeper=kept(store)).get() == "access-2"
    assert asked == ["", "refresh-1"]


def test_a_token_without_end_is_kept_too(store: Store) -> None:
    tokens = Tokens(lambda refresh: Granted("forever", math.inf), keeper=kept(store))
    assert tokens.get() == "forever"
    assert Tokens(lambda refresh: Granted("another", 1.0), keeper=kept(store)).get() == "forever"
