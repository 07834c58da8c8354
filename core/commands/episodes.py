"""What has to happen in a demo at least once, and how often it did: the turns that an order can take.

Counted in the store after the fact, by what is written there of it, not by what the play meant to do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from core.commands.assortment import APART, NEAR, SCARCE, SPREAD
from core.commands.rehearsal import Rehearsal
from core.store.database import Store
from core.sync.holds import LIFTED

PATIENCE = 20.0
"""Seconds an order may take from its channel into the store."""


class Episode(NamedTuple):
    """One turn, told as what became of the orders it is counted by."""

    name: str
    found: str
    """SQL: how often it has happened, to its very end."""
    deed: Callable[[Rehearsal, str], object]
    """Makes it happen at one channel, as far as it is in the hands of buyers and staff."""


class Happened(NamedTuple):
    name: str
    times: int


def _wait(play: Rehearsal, number: str, ready: str) -> bool:
    """Until an order is here and so far."""
    ends = time.monotonic() + PATIENCE
    while play.store is not None and time.monotonic() < ends:
        with play.store.read() as tx:
            if tx.row(f"SELECT 1 FROM orders o WHERE o.number = :number AND {ready}", number=number) is not None:
                return True
        time.sleep(0.1)
    return False


_HERE = "1 = 1"
_LIES_THERE = "EXISTS (SELECT 1 FROM handovers h WHERE h.order_id = o.id AND h.state IN ('handed', 'accepted'))"
_ASKED = (
    "EXISTS (SELECT 1 FROM fulfilment_orders f WHERE f.order_id = o.id AND f.state = 'released')"
    " AND NOT EXISTS (SELECT 1 FROM lines l WHERE l.order_id = o.id AND l.backordered > 0)"
)


def apart(play: Rehearsal, name: str) -> None:
    """A buyer orders what no single location has."""
    play.order(name, dict.fromkeys(APART, 1))


def _wait_for_stock(play: Rehearsal, name: str) -> None:
    number = play.order(name, {SCARCE: 5})
    if _wait(play, number, _HERE):
        play.staff.restock()


def _hold_back(play: Rehearsal, name: str) -> None:
    if _wait(play, play.order(name, {APART[0]: 1}), _HERE) and play.staff.hold(name):
        play.staff.lift()


def _cancel_early(play: Rehearsal, name: str) -> None:
    if _wait(play, play.order(name, {SCARCE: 9}), _HERE):
        play.staff.call_off(name, early=True)


def _cancel_late(play: Rehearsal, name: str) -> None:
    if _wait(play, play.order(name, {APART[0]: 1}), _ASKED):
        play.staff.call_off(name, early=False)


def _in_parts(play: Rehearsal, name: str) -> None:
    if _wait(play, play.order(name, {APART[1]: 3}), _ASKED):
        before, play.staff.parts = play.staff.parts, 1.0
        for _ in range(2):  # a warehouse takes work up first
            play.pack()
        play.staff.parts = before


def _take_back(play: Rehearsal, name: str) -> None:
    play.staff.take_back(name)


def _decline(play: Rehearsal, name: str) -> None:
    play.order(name, {SPREAD: 1}, town=NEAR)
    if play.packers is not None:
        play.packers.declining += 1


def _call_back(play: Rehearsal, name: str) -> None:
    """Nobody comes by in the warehouse while this waits, so the order still lies there when it is cancelled."""
    number = play.order(name, {APART[1]: 1})
    if _wait(play, number, _LIES_THERE):
        play.staff.call_off(name, early=False, number=number)


EPISODES = (
    Episode(
        "left from two locations",
        "SELECT count(*) FROM (SELECT order_id FROM shipments GROUP BY order_id"
        " HAVING count(DISTINCT location_id) > 1) AS found",
        apart,
    ),
    Episode(
        "waited for stock, and left once it came",
        "SELECT count(DISTINCT order_id) FROM lines WHERE first_filled < first_asked AND shipped > first_filled",
        _wait_for_stock,
    ),
    Episode(
        "were held back, and left once the hold was lifted",
        f"SELECT count(DISTINCT a.order_id) FROM audit a WHERE a.event = '{LIFTED}' AND a.detail LIKE 'operator%'"
        " AND EXISTS (SELECT 1 FROM shipments s WHERE s.order_id = a.order_id AND s.shipped_at >= a.at)",
        _hold_back,
    ),
    Episode(
        "were cancelled before a location was asked",
        "SELECT count(DISTINCT p.order_id) FROM pushes p WHERE p.kind = 'cancel' AND p.state = 'confirmed'"
        " AND EXISTS (SELECT 1 FROM audit a WHERE a.order_id = p.order_id AND a.event = 'cancelled here'"
        " AND a.detail NOT LIKE '% already: %')",
        _cancel_early,
    ),
    Episode(
        "were cancelled after a location was asked",
        "SELECT count(DISTINCT p.order_id) FROM pushes p WHERE p.kind = 'cancel' AND p.state = 'confirmed'"
        " AND EXISTS (SELECT 1 FROM audit a WHERE a.order_id = p.order_id AND a.event = 'cancelled here'"
        " AND a.detail LIKE '% already: %')",
        _cancel_late,
    ),
    Episode(
        "left one location in parts",
        "SELECT count(*) FROM (SELECT order_id FROM shipments WHERE location_id IS NOT NULL"
        " GROUP BY order_id, location_id HAVING count(*) > 1) AS found",
        _in_parts,
    ),
    Episode(
        "were declined by a warehouse, and left another location",
        "SELECT count(DISTINCT h.order_id) FROM handovers h JOIN shipments s ON s.order_id = h.order_id"
        " WHERE h.state = 'refused' AND s.location_id <> h.location_id",
        _decline,
    ),
    Episode(
        "were called back from a warehouse in time, and cancelled",
        "SELECT count(DISTINCT h.order_id) FROM recalls r JOIN handovers h ON h.id = r.handover_id"
        " JOIN pushes p ON p.order_id = h.order_id AND p.kind = 'cancel' AND p.state = 'confirmed'"
        " WHERE r.state = 'done'",
        _call_back,
    ),
    Episode(
        "left a warehouse in two parcels, each told to the channel",
        "SELECT count(*) FROM (SELECT s.order_id FROM shipments s JOIN pushes p ON p.shipment_id = s.id"
        " WHERE s.origin = 'warehouse' AND p.kind = 'tracking' AND p.state = 'confirmed'"
        " GROUP BY s.order_id, s.location_id, s.shipped_at HAVING count(DISTINCT s.id) > 1) AS found",  # at once
        _in_parts,
    ),
    Episode(
        "came back in part, for sale again",
        "SELECT count(DISTINCT m.order_id) FROM receipts r JOIN rmas m ON m.id = r.rma_id"
        " WHERE r.disposition = 'restock' AND EXISTS (SELECT 1 FROM ledger e WHERE e.kind = 'return')",
        _take_back,
    ),
    Episode(
        "were paid back in part",
        "SELECT count(DISTINCT order_id) FROM refunds WHERE origin = 'ours'",
        lambda play, name: play.staff.give_back(name),
    ),
    Episode(
        "could not be read, and were read once their channel had mended them",
        "SELECT count(*) FROM quarantine WHERE state = 'resolved'",
        lambda play, name: play.buy_unreadable(name),
    ),
)


def happened(store: Store) -> list[Happened]:
    """How often each has happened."""
    with store.read() as tx:
        return [Happened(one.name, int(tx.value(one.found))) for one in EPISODES]


def missing(story: Sequence[Happened]) -> list[str]:
    """What did not happen, a sentence each."""
    return [f"no orders {one.name}" for one in story if not one.times]
