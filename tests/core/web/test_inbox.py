"""The inbox: durable before it is said, one commit for many, and no work for those who are refused."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from core.errors import StoreError
from core.model import Hint, HintKind
from core.store.database import Store
from core.web import inbox as module
from core.web.inbox import Full, Inbox

PATIENCE = 20.0


def hint(event: str, number: str = "1") -> Hint:
    return Hint(id=event, kind=HintKind.ORDER, at=datetime.now(UTC), order=number)


@pytest.fixture
def known(store: Store) -> Store:
    """A store with a channel `shop`."""
    with store.write() as tx:
        tx.run("INSERT INTO channels (name) VALUES ('shop')")
    return store


@pytest.fixture
def stored() -> list[int]:
    return []


@pytest.fixture
def inbox(known: Store, stored: list[int]) -> Iterator[Inbox]:
    made = Inbox(known, lambda: stored.append(1))
    made.start()
    yield made
    made.stop()


def rows(store: Store, sql: str) -> list[Any]:
    with store.read() as tx:
        return list(tx.rows(sql))


def test_what_is_said_to_be_stored_is(inbox: Inbox, known: Store, stored: list[int]) -> None:
    assert inbox.put("shop", [hint("e1")]).result(PATIENCE) is True
    assert rows(known, "SELECT subject FROM hints") == [("1",)]
    assert stored == [1]


def test_a_channel_never_taken_up_is_told_apart(inbox: Inbox, known: Store) -> None:
    assert inbox.put("nobody", [hint("e1")]).result(PATIENCE) is False
    assert rows(known, "SELECT subject FROM hints") == []


def test_all_that_waits_is_one_commit(known: Store, stored: list[int]) -> None:
    inbox = Inbox(known, lambda: stored.append(1))
    waiting = [inbox.put("shop", [hint(f"e{number}", str(number))]) for number in range(200)]
    inbox.start()
    assert all(done.result(PATIENCE) for done in waiting)
    inbox.stop()
    assert stored == [1]
    assert len(rows(known, "SELECT 1 FROM hints")) == 200


def test_more_than_it_can_hold_is_turned_away(known: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 3)
    inbox = Inbox(known)
    inbox.put("shop", [hint("e1"), hint("e2")])
    with pytest.raises(Full):
        inbox.put("shop", [hint("e3"), hint("e4")])
    inbox.put("shop", [hint("e3")])
    inbox.start()
    inbox.stop()
    assert len(rows(known, "SELECT 1 FROM heard")) == 3


def test_a_store_that_cannot_be_written_is_whoever_waits_told(
    inbox: Inbox, known: Store, stored: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> Any:
        raise StoreError("disk is full; free some")

    with monkeypatch.context() as broken:
        broken.setattr(module, "hear", full)
        with pytest.raises(StoreError, match="disk is full"):
            inbox.put("shop", [hint("e1")]).result(PATIENCE)
    assert stored == []
    assert inbox.put("shop", [hint("e1")]).result(PATIENCE) is True


def test_a_bug_leaves_nobody_waiting_and_the_inbox_at_work(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*_: Any) -> Any:
        raise ZeroDivisionError

    with monkeypatch.context() as broken, capture_logs() as lines:
        broken.setattr(module, "hear", bug)
        with pytest.raises(StoreError, match="ZeroDivisionError"):
            inbox.put("shop", [hint("e1")]).result(PATIENCE)
    assert [line["event"] for line in lines] == ["hints cannot be written"]
    assert inbox.put("shop", [hint("e1")]).result(PATIENCE) is True


def test_who_has_gone_meanwhile_is_kept_all_the_same(known: Store) -> None:
    inbox = Inbox(known)
    inbox.put("shop", [hint("e1")]).cancel()
    done = inbox.put("shop", [hint("e2", "2")])
    inbox.start()
    assert done.result(PATIENCE)
    inbox.stop()
    assert len(rows(known, "SELECT 1 FROM hints")) == 2


def test_refusals_are_counted_together_and_not_one_by_one(known: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    hear = module.hear
    monkeypatch.setattr(module, "hear", lambda store, heard, now: written.append(1) or hear(store, heard, now))
    inbox = Inbox(known)
    inbox.start()
    threads = [threading.Thread(target=lambda: [inbox.refuse("shop", "forged") for _ in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    inbox.put("shop", [hint("e1")]).result(PATIENCE)  # whatever is noted goes with it
    inbox.stop()
    assert rows(known, "SELECT refused, refusal FROM hearing") == [(2000, "forged")]
    assert len(written) < 20


def test_refusals_of_strangers_are_dropped(inbox: Inbox, known: Store) -> None:
    inbox.refuse("nobody", "forged")
    inbox.put("shop", [hint("e1")]).result(PATIENCE)
    assert rows(known, "SELECT refused FROM hearing") == [(0,)]


def test_a_stopping_inbox_writes_what_waits_and_takes_no_more(known: Store) -> None:
    inbox = Inbox(known)
    done = inbox.put("shop", [hint("e1")])
    inbox.start()
    inbox.stop()
    assert done.result(0) is True
    with pytest.raises(Full):
        inbox.put("shop", [hint("e2")])


def test_old_events_are_forgotten_now_and_then(known: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    forgotten = threading.Event()
    monkeypatch.setattr(module, "FORGET_SECONDS", 0.05)
    monkeypatch.setattr(module, "forget", lambda store, now: forgotten.set())
    inbox = Inbox(known)
    inbox.start()
    assert forgotten.wait(PATIENCE)
    inbox.stop()
