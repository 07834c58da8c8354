"""The judgement of a rehearsal's warehouse: what is stored of its work beside what it did itself."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from core.plurals import many
from core.store.database import Store, Tx

if TYPE_CHECKING:
    from core.commands.packers import Packers


@dataclass
class Depot:
    """One warehouse's result."""

    warehouse: str
    location: str = ""
    handed: int = 0
    """Pieces of work that it was handed."""
    taken: int = 0
    """Of these, those that it took up."""
    declined: int = 0
    recalled: int = 0
    """Recalls that it heeded."""
    too_late: int = 0
    """Recalls that came too late."""
    parcels: int = 0
    booked: int = 0
    """Of these, those that are stored as they left."""
    lying: int = 0
    """Pieces of work that lie there at the end."""
    aside: int = 0
    """What it told and nobody could book."""
    problems: list[str] = field(default_factory=list)


def judge_depot(store: Store, name: str, yard: Any, packers: Packers) -> Depot:
    """What is stored of one warehouse beside its own yard, and what its people did there."""
    told = Depot(name)
    works = yard.works()
    with store.read() as tx:
        row = tx.row("SELECT * FROM warehouses WHERE name = :name", name=name)
        if row is None:
            told.problems.append("the warehouse was never reached")
            return told
        told.location = ", ".join(
            place.name
            for place in tx.rows(
                "SELECT p.name FROM served s JOIN locations p ON p.id = s.location_id WHERE s.warehouse_id = :id",
                id=row.id,
            )
        )
        _work(tx, told, row.id, works, packers)
        _parcels(tx, told, row.id, packers)
        told.aside = int(
            tx.value(
                "SELECT count(*) FROM notices WHERE warehouse_id = :id AND state IN ('waiting', 'unread', 'refused')",
                id=row.id,
            )
        )
    if told.aside:
        told.problems.append(f"{many(told.aside, 'notice')} set aside; see `ordersync warehouse notices`")
    told.problems = [f"{name}: {problem}" for problem in told.problems]
    return told


def _work(tx: Tx, told: Depot, warehouse_id: int, works: Any, packers: Packers) -> None:
    """Every piece of work is there once, and nothing lies there that is done with here."""
    rows = tx.rows("SELECT * FROM handovers WHERE warehouse_id = :id", id=warehouse_id)
    here = {row.key: row for row in rows if row.state not in ("queued", "dropped")}
    told.handed = len(works)
    told.taken = len(packers.taken)
    told.declined = sum(row.state == "refused" for row in here.values())
    ended = Counter(
        row.state
        for row in tx.rows(
            "SELECT r.state FROM recalls r JOIN handovers h ON h.id = r.handover_id WHERE h.warehouse_id = :id",
            id=warehouse_id,
        )
    )
    told.recalled, told.too_late = ended["done"], ended["refused"]
    if told.declined != len(packers.declined):
        told.problems.append(f"{many(len(packers.declined), 'work order')} declined there, {told.declined} here")
    strange = works.keys() ^ here.keys()
    if strange:
        told.problems.append(f"work {min(strange)} is not both there and here")
    live = {row.key for row in rows if row.state in ("queued", "sent", "handed", "accepted")}
    open_ = {key for key, work in works.items() if any(work.open(number) for number in work.asked)}
    told.lying = len(open_)
    if open_ - live:
        told.problems.append(f"work {min(open_ - live)} lies there, and nothing here wants it")


def _parcels(tx: Tx, told: Depot, warehouse_id: int, packers: Packers) -> None:
    """Every parcel is booked once, with the units that were in it, of the work it was sent for."""
    there: dict[str, Counter[int]] = {}
    lines = {
        (row.key, row.number): (row.line_id, row.per)
        for row in tx.rows(
            "SELECT h.key, n.number, n.line_id, n.per FROM handover_lines n JOIN handovers h ON h.id = n.handover_id"
            " WHERE h.warehouse_id = :id",
            id=warehouse_id,
        )
    }
    for tracking, (key, box) in packers.sent.items():
        there[tracking] = Counter()
        for number, units in box.items():
            line, per = lines[key, number]
            there[tracking][line] = max(there[tracking][line], units // per)  # a kit's parts are in one box
    here: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for row in tx.rows(
        "SELECT s.tracking, u.line_id, u.quantity FROM shipments s JOIN shipment_lines u ON u.shipment_id = s.id"
        " JOIN served v ON v.location_id = s.location_id WHERE v.warehouse_id = :id AND s.origin = 'warehouse'",
        id=warehouse_id,
    ):
        here[row.tracking][row.line_id] += row.quantity
    told.parcels = len(there)
    for tracking, left in there.items():
        booked = here.get(tracking, Counter())
        told.booked += booked == left
        if booked != left:
            told.problems.append(f"parcel {tracking}: {_said(left)} left, {_said(booked)} booked")
    strange = here.keys() - there.keys()
    if strange:
        told.problems.append(f"parcel {min(strange)} is booked and did not leave")


def _said(units: Counter[int]) -> str:
    return ", ".join(f"{count} of line {line}" for line, count in sorted(units.items())) or "nothing"
