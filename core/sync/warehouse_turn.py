"""A warehouse's turn: taken up, what it tells taken in, work handed over and called back, and how it went written down.

It stands beside the channels' turns: one worker at a time, fenced by the row's epoch; its trouble is its own.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
import structlog

from core.errors import ChannelError, Fenced, StoreError, Throttled, Unauthorized, Unavailable
from core.settings import Settings
from core.store.database import Store, Tx
from core.sync.channel import Clock, clock
from core.sync.connect import Keepers
from core.sync.hand_over import hand_over
from core.sync.missing import take_off_missing
from core.sync.recall import plan_recalls, send_recalls
from core.sync.take_notices import Heard, take_told
from core.sync.turn import Trouble
from core.sync.warehouse import LIVE, Warehouse, take_up
from core.sync.work import LONGEST_WAIT, SECOND, reason_of
from core.warehouse import Patient, WarehouseConnector

log = structlog.get_logger("ordersync")

T = TypeVar("T")


class Handled(msgspec.Struct, kw_only=True):
    """What one turn of a warehouse did."""

    warehouse: str
    heard: Heard = msgspec.field(default_factory=Heard)
    handed_over: int = 0
    """Work orders the warehouse took."""
    recalled: int = 0
    """Recalls it was asked for."""
    waits: str = ""
    """What the warehouse has told and is not read yet, and until when."""


def warehouse_turn(
    store: Store,
    settings: Settings,
    name: str,
    *,
    now: Clock = clock,
    connector: WarehouseConnector | None = None,
    keepers: Keepers | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> Handled | Trouble:
    """One turn of the warehouse `name`. Its trouble is returned and written to its row, never raised.

    Raises `StoreError` when the store cannot be used. `connector` is used and left open when given.
    """
    own = settings.warehouses[name]
    opened = connector or (keepers or Keepers(store, settings.store)).warehouse(name, own)
    house: Warehouse | None = None
    try:
        house = take_up(store, name, own, opened, [place.as_location() for place in settings.locations], now())
        return _run(store, house, now, stopping)
    except StoreError:
        raise
    except Fenced:
        return Trouble(name, "another process has taken this warehouse over", parked=False)
    except Exception as error:
        if house is None:
            raise
        return _book_trouble(store, house, error, settings.daemon.parked_retry_seconds, now())
    finally:
        if connector is None:
            opened.close()


def _run(store: Store, house: Warehouse, now: Clock, stopping: Callable[[], bool]) -> Handled:
    with store.read() as tx:
        before = tx.row("SELECT * FROM warehouses WHERE id = :id", id=house.id)
    done = Handled(warehouse=house.name)
    troubles: list[ChannelError] = []
    waits: list[float] = []

    def attempt(step: Callable[[], T], otherwise: T) -> T:
        """What the warehouse fails to do in one step keeps it from no other; refused credentials end the turn."""
        try:
            return step()
        except Unauthorized:
            raise
        except Throttled as error:  # a spent budget is no outage: it goes on by itself
            if error.after is None:
                troubles.append(error)
            else:
                waits.append(error.after)
            return otherwise
        except ChannelError as error:
            troubles.append(error)
            return otherwise

    # What left is known before anything is called back, and that is asked for before anything is handed over anew.
    done.heard = attempt(lambda: take_told(store, house, now, stopping), done.heard)
    done.waits = house.connector.waits() if isinstance(house.connector, Patient) else ""
    plan_recalls(store, house, now())
    done.recalled = attempt(lambda: send_recalls(store, house, now), 0)
    take_off_missing(store, house, now())
    done.handed_over = attempt(lambda: hand_over(store, house, now), 0)
    if done.handed_over and plan_recalls(store, house, now()):  # what was in doubt, and is known to lie there by now
        done.recalled += attempt(lambda: send_recalls(store, house, now), 0)
    if troubles:
        raise troubles[0]
    wake = now() + int(min(waits) * SECOND) if waits else None
    store.transact(lambda tx: _finished(tx, house, before, now(), wake))
    if before.health != "ok":
        log.info("warehouse works again", warehouse=house.name, out_since=before.outage_since)
    if done.heard.unread or done.heard.refused:
        cure = f"see `ordersync warehouse notices {house.name}`"
        log.warning("notices set aside", warehouse=house.name, unread=done.heard.unread, refused=done.heard.refused,
                    cure=cure)  # fmt: skip
    if done.heard.taken or done.handed_over or done.recalled:
        log.info("warehouse", warehouse=house.name, told=done.heard.taken, handed_over=done.handed_over,
                 recalled=done.recalled)  # fmt: skip
    return done


def _finished(tx: Tx, house: Warehouse, before: Any, now: int, wake: int | None) -> None:
    """Books a turn that went well; whoever has poked the warehouse meanwhile gets another one.

    `wake`: when what waits for a budget may go on.
    """
    tx.run(
        "UPDATE warehouses SET health = 'ok', reason = '', fails = 0, outage_since = NULL, last_success = :now,"
        " done = :wanted, next_due = CASE WHEN next_due = :seen THEN :next ELSE next_due END, wake_at = ("
        "  SELECT min(due_at) FROM (SELECT due_at FROM handovers WHERE warehouse_id = :id"
        f"   AND {LIVE} AND state IN ('queued', 'sent')"
        "   UNION ALL SELECT r.due_at FROM recalls r JOIN handovers h ON h.id = r.handover_id"
        "    WHERE h.warehouse_id = :id AND r.state IN ('queued','sent','asked') AND r.state <> 'asked'"
        "   UNION ALL SELECT CAST(:wake AS BIGINT)) AS waiting)"
        " WHERE id = :id AND epoch = :epoch",
        id=house.id,
        epoch=house.epoch,
        wanted=before.wanted,
        wake=wake,
        seen=before.next_due,
        next=now + house.settings.poll_seconds * SECOND,
        now=now,
    )


def _book_trouble(store: Store, house: Warehouse, error: Exception, parked_retry: int, now: int) -> Trouble:
    before = store.transact(lambda tx: _failed(tx, house, error, parked_retry, now))
    if before is None:
        return Trouble(house.name, "another process has taken this warehouse over", parked=False)
    parked = not isinstance(error, Unavailable)
    expected = isinstance(error, Unavailable | Unauthorized)
    reason = reason_of(error)
    if parked and (before.health != "parked" or (not expected and before.reason != reason)):
        log.error("warehouse is parked", warehouse=house.name, reason=reason, exc_info=not expected)
    elif before.health == "ok":
        log.warning("warehouse does not answer", warehouse=house.name, reason=reason)
    return Trouble(house.name, reason, parked=parked)


def _failed(tx: Tx, house: Warehouse, error: Exception, parked_retry: int, now: int) -> Any:
    """Books a turn that failed; returns the row as it was before, None when it is another worker's by now."""
    before = tx.row(
        "SELECT * FROM warehouses WHERE id = :id AND epoch = :epoch /*lock*/", id=house.id, epoch=house.epoch
    )
    if before is None:
        return None
    if isinstance(error, Unavailable):
        health = "unavailable"
        backoff = min(LONGEST_WAIT, 2.0 ** min(before.fails, 10)) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
        wait = max(backoff, error.after or 0.0)
    else:
        health, wait = "parked", float(parked_retry)
    tx.run(
        "UPDATE warehouses SET health = :health, reason = :reason, fails = fails + 1, next_due = :next,"
        " outage_since = COALESCE(outage_since, :now) WHERE id = :id",
        id=house.id,
        health=health,
        reason=reason_of(error),
        next=now + int(wait * SECOND),
        now=now,
    )
    return before


def warehouse_is_due(row: Any, now: int) -> bool:
    """By the clock; or, while the warehouse is well, when something waits for now or somebody poked it."""
    if row.next_due <= now:
        return True
    return bool(row.health == "ok" and (row.wanted > row.done or (row.wake_at is not None and row.wake_at <= now)))
