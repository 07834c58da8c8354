"""A rehearsal's people in the warehouse that works through a connector: they take work up, pack it, or decline it.

They see what the warehouse was told, never the store; but they look at the store before they close a box, so that what
was called off a moment ago is not raced out of the door. Whatever they do reaches the store through the daemon alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from core.commands.assortment import APART, SCARCE

if TYPE_CHECKING:
    from core.commands.rehearsal import Rehearsal

DECLINED = 0.05
"""How often they will not do what they could."""

ONLY_HERE = {*APART, SCARCE}
"""What no other location has for certain: they do not decline it."""


class Packers:
    """They come by now and then: what came since the last time they take up, what they have taken up they finish."""

    def __init__(self, play: Rehearsal, yard: Any) -> None:
        self._play = play
        self.yard = yard
        self.declining = 0
        """So many more of the next orders that another location could send are declined."""
        self.sent: dict[str, tuple[str, Mapping[str, int]]] = {}
        """Units by the work's line numbers and the work's key, by tracking number."""
        self.declined: set[str] = set()
        self.taken: set[str] = set()
        self._whole: set[str] = set()
        """Work with a kit in it: its parts stay together."""

    def work(self) -> int:
        """One visit; returns how much work was touched."""
        busy = 0
        wanted = self._wanted()
        for key, there in self.yard.works().items():
            open_ = {number: there.open(number) for number in there.asked if there.open(number)}
            if not open_ or wanted.get(key) != Counter(open_):
                continue  # called back, or about to be: it stays on the shelf
            busy += 1
            if key not in self.taken:
                self.taken.add(key)
                self.yard.accept(key)
            elif self._may_decline(there):
                self.declined.add(key)
                self.yard.decline(key)
            else:
                self._send(key, open_)
        return busy

    def untold(self) -> set[int]:
        """Orders of which something left here, or was declined, and the store has not heard of it yet."""
        keys = sorted({key for key, _ in self.sent.values()} | self.declined)
        if self._play.store is None or not keys:
            return set()
        with self._play.store.read() as tx:
            rows = tx.rows(
                "SELECT order_id FROM handovers WHERE key IN :keys AND state IN ('handed', 'accepted')", keys=keys
            )
        return {row.order_id for row in rows}

    def _may_decline(self, there: Any) -> bool:
        if ONLY_HERE & set(there.skus.values()):
            return False
        if self.declining:
            self.declining -= 1
            return True
        return self._play.random.random() < DECLINED

    def _send(self, key: str, open_: Mapping[str, int]) -> None:
        """In two parcels where it can be and chance has it: one unit in the first, the rest in the second."""
        boxes = [dict(open_)]
        if sum(open_.values()) > 1 and key not in self._whole and self._play.random.random() < self._play.staff.parts:
            first = min(open_)
            rest = {number: units - (number == first) for number, units in open_.items()}
            boxes = [{first: 1}, {number: units for number, units in rest.items() if units}]
        parcels = [(f"1W{self._play.seed % 1000:03d}{len(self.sent) + n:013d}", box) for n, box in enumerate(boxes)]
        self.sent.update({tracking: (key, box) for tracking, box in parcels})
        self.yard.send(key, parcels)

    def _wanted(self) -> dict[str, Counter[str]]:
        """What the store still wants of each work that lies here, by its line numbers; nothing of what a buyer has
        called off."""
        play = self._play
        if play.store is None:
            return {}
        with play.store.read() as tx:
            rows = tx.rows(
                "SELECT h.key, n.line_id, n.per, n.number, n.quantity - n.shipped - n.withdrawn AS units,"
                " (w.quantity - w.shipped) * n.per AS asked, c.name AS channel, o.number AS of"
                " FROM handovers h JOIN handover_lines n ON n.handover_id = h.id"
                " JOIN fulfilment_lines w ON w.fulfilment_order_id = h.fulfilment_order_id AND w.line_id = n.line_id"
                " JOIN fulfilment_orders f ON f.id = h.fulfilment_order_id JOIN orders o ON o.id = h.order_id"
                " JOIN channels c ON c.id = o.channel_id WHERE h.state IN ('handed', 'accepted')"
                " AND f.state = 'released' AND NOT EXISTS (SELECT 1 FROM holds t WHERE t.order_id = o.id)"
                " AND NOT EXISTS (SELECT 1 FROM recalls r WHERE r.handover_id = h.id"
                "  AND r.state IN ('queued', 'sent', 'asked'))"  # what is left of one called back in part is packed
            )
        wanted: dict[str, Counter[str]] = {}
        off = {row.key for row in rows if row.units != row.asked or (row.channel, row.of) in play.called_off}
        lines = Counter((row.key, row.line_id) for row in rows)
        for row in rows:
            if row.per > 1 or lines[row.key, row.line_id] > 1:
                self._whole.add(row.key)
            if row.key not in off:
                wanted.setdefault(row.key, Counter())[row.number] = row.units
        return wanted
