"""How much each location was given today, in its own day: what its capacity is measured by, and balance.

Counted only where the rules ask for it. The rows are locked after the items and in order of the locations, so that two
pages cannot fill the same place; a row that is not there yet is made by counting the day's fulfilment orders, so that
the day a capacity is first set is counted in full, and one is dropped when work is taken back (`stored`).
"""

from __future__ import annotations

from collections.abc import Sequence

from core.routing import Site
from core.routing.calendar import day_begins, today
from core.store import tables
from core.store.database import Tx

_DAY = """
SELECT f.location_id, COUNT(DISTINCT f.id) AS orders, COALESCE(SUM(w.quantity), 0) AS units FROM fulfilment_orders f
LEFT JOIN fulfilment_lines w ON w.fulfilment_order_id = f.id
WHERE f.location_id = :place AND f.created_at >= :since AND f.state NOT IN ('cancelled', 'rejected')
GROUP BY f.location_id
"""


class Loads:
    """What locations were given today, under lock, and what is given to them in this transaction."""

    def __init__(self, tx: Tx, sites: Sequence[Site], now: int) -> None:
        self._tx = tx
        self._day = {site.id: today(site.location, now).isoformat() for site in sites}
        begins = {site.id: day_begins(site.location, today(site.location, now)) for site in sites}
        self.today: dict[int, tuple[int, int]] = {}
        """Orders and units by location."""
        self._given: dict[int, tuple[int, int]] = {}
        rows = self._rows()
        missing = [(site.id, begins[site.id]) for site in sites if site.id not in rows]
        if missing:
            self._count(missing)
            rows = self._rows()
        self.today.update(rows)

    def _rows(self) -> dict[int, tuple[int, int]]:
        found = self._tx.rows(
            "SELECT location_id, day, orders, units FROM loads WHERE location_id IN :ids"
            " ORDER BY location_id, day /*lock*/",
            ids=sorted(self._day),
        )
        return {row.location_id: (row.orders, row.units) for row in found if self._day[row.location_id] == row.day}

    def _count(self, missing: Sequence[tuple[int, int]]) -> None:
        for place, since in sorted(missing):
            row = self._tx.row(_DAY, place=place, since=since)
            orders, units = (0, 0) if row is None else (int(row.orders), int(row.units))
            self._tx.run(
                "DELETE FROM loads WHERE location_id = :place AND day <> :day", place=place, day=self._day[place]
            )
            self._tx.insert(
                tables.loads,
                ("location_id", "day", "orders", "units"),
                [(place, self._day[place], orders, units)],
                "ON CONFLICT DO NOTHING",
            )

    def add(self, location_id: int, units: int) -> None:
        """One more fulfilment order of so many units."""
        for loads in (self.today, self._given):
            orders, more = loads.get(location_id, (0, 0))
            loads[location_id] = orders + 1, more + units

    def write(self) -> None:
        rows = [(place, self._day[place], *given) for place, given in sorted(self._given.items())]
        self._tx.update(tables.loads, ("location_id", "day"), ("orders+", "units+"), rows)
