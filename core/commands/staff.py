"""A rehearsal's people behind the counter: the warehouse that ships, and operators who decide.

Whatever they decide reaches the channels through the daemon alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from core.commands.assortment import UNKNOWN
from core.connector import Ability, find
from core.errors import UserError
from core.model import CancelReason, Hold, RefundReason
from core.store.database import Store
from core.sync.cancel import Decision, cancel
from core.sync.channel import clock
from core.sync.correct import Correction, correct
from core.sync.holds import hold, lift
from core.sync.received import Came, Disposition, Receiving
from core.sync.received import receive as receive_back
from core.sync.refund import Part, Wish, refund
from core.sync.rma import Opening, open_return
from core.sync.ship import Departure, ship
from core.sync.stock import receive

if TYPE_CHECKING:
    from core.commands.rehearsal import Rehearsal

CARRIERS = ("UPS", "USPS", "FedEx")
ONLY_WHOLE = ("amazon",)
"""Channels that cancel whole orders and nothing less."""


class Staff:
    """Everybody who works here. Of what cannot be done any more since it was looked at, nothing is done."""

    def __init__(self, play: Rehearsal, *, parts: float = 0.0) -> None:
        """`parts`: how often a location sends one unit first and the rest later."""
        self._play = play
        self.parts = parts

    # The warehouse.

    def send(self, most: int = 1000) -> int:
        """What was released leaves, but where a warehouse does so by itself; returns how many parcels did."""
        play = self._play
        if play.store is None:
            return 0
        with play.store.read() as tx:
            rows = tx.rows(
                "SELECT f.id, f.order_id, p.name, c.name AS channel, o.number,"
                " (SELECT count(*) FROM shipments s WHERE s.order_id = o.id) AS parcels,"
                " (SELECT sum(w.quantity - w.shipped) FROM fulfilment_lines w WHERE w.fulfilment_order_id = f.id)"
                " AS units, (SELECT min(l.number) FROM fulfilment_lines w JOIN lines l ON l.id = w.line_id"
                " WHERE w.fulfilment_order_id = f.id AND w.quantity > w.shipped) AS line FROM fulfilment_orders f"
                " JOIN locations p ON p.id = f.location_id JOIN orders o ON o.id = f.order_id"
                " JOIN channels c ON c.id = o.channel_id WHERE f.state = 'released' AND p.name <> :served"
                " ORDER BY f.id LIMIT :most",
                served=play.served,
                most=most,
            )
        left = 0
        for row in rows:
            if (row.channel, row.number) in play.called_off:
                continue
            part = row.units > 1 and play.random.random() < self.parts
            departure = Departure(
                row.order_id,
                row.name,
                play.random.choice(CARRIERS),
                f"1Z{play.seed % 1000:03d}{row.id:010d}{row.parcels:03d}",
                clock(),
                {row.line: 1} if part else None,
            )
            try:
                left += ship(play.store, departure, clock())[1]
            except UserError:
                continue  # cancelled or held since it was released: it stays on the shelf
        return left

    def discover(self) -> None:
        """The new arrival arrives: what was held for it may go."""
        if self._play.store is not None:
            receive(self._play.store, UNKNOWN, "east", 40, now=clock())

    def restock(self) -> None:
        """As many units arrive as orders wait for."""
        if self._play.store is None:
            return
        with self._play.store.read() as tx:
            rows = tx.rows(
                "SELECT i.sku, sum(l.backordered) AS units FROM lines l JOIN items i ON i.id = l.item_id"
                " WHERE l.backordered > 0 AND NOT EXISTS (SELECT 1 FROM kits k WHERE k.kit_id = i.id) GROUP BY i.sku"
            )
        for row in rows:
            receive(self._play.store, row.sku, "west", row.units, now=clock())

    def take_back(self, name: str) -> bool:
        """A unit that has left comes back and is put on the shelf again; whether there was one."""
        orders = [row for row in self._orders(name) if row.told]
        if not orders:
            return False
        row = self._play.random.choice(orders)
        came = [Came(name=row.line, units=1, disposition=Disposition.RESTOCK)]

        def deed(store: Store) -> None:
            opened = open_return(store, Opening(order_id=row.id, units={row.line: 1}, reason="too small"), clock())
            receive_back(store, Receiving(target=opened.name, came=came), clock())

        return self._try(deed)

    # Operators.

    def call_off(self, name: str, *, early: bool | None = None, number: str = "") -> bool:
        """An order that has not left is cancelled here, or what is left of one; whether there was one to cancel.

        `early`: one no location was asked for yet, or (False) one that was. `number`: this one.
        """
        choice = self._play.random
        orders = [
            row
            for row in self._orders(name, Ability.CANCEL)
            if row.open
            and (not row.left or name not in ONLY_WHOLE)
            and early in (None, not row.asked)
            and number in ("", row.of)
        ]
        if not orders:
            return False
        row = choice.choice(orders)
        units = None
        if name not in ONLY_WHOLE and choice.random() < 0.4:
            units = {str(row.line): 1}
        decision = Decision(row.id, choice.choice(list(CancelReason)), units, notify=False)
        return self._try(lambda store: cancel(store, decision, clock()))

    def give_back(self, name: str) -> bool:
        """One unit of what has left is paid back; whether there was one to pay back."""
        orders = [row for row in self._orders(name, Ability.REFUND) if row.told]
        if not orders:
            return False
        row = self._play.random.choice(orders)
        reason = self._play.random.choice(list(RefundReason))
        wish = Wish(row.id, reason, {str(row.line): Part(units=1)}, notify=False)
        return self._try(lambda store: refund(store, wish, clock()))

    def mistype(self, name: str) -> bool:
        """A tracking number was mistyped and is corrected; whether there was one."""
        play = self._play
        if play.store is None or Ability.CORRECT_TRACKING not in find(play.channels[name].connector).abilities:
            return False
        with play.store.read() as tx:
            parcels = tx.rows(
                "SELECT s.id, s.order_id, s.tracking FROM shipments s JOIN orders o ON o.id = s.order_id"
                " JOIN channels c ON c.id = o.channel_id WHERE c.name = :name AND s.origin = 'operator'"
                " AND s.id NOT IN (SELECT shipment_id FROM corrections) ORDER BY s.id DESC LIMIT 10",
                name=name,
            )
        if not parcels:
            return False
        row = play.random.choice(parcels)
        correction = Correction(row.order_id, row.tracking, tracking=f"1Y{play.seed % 1000:03d}{row.id:013d}")
        return self._try(lambda store: correct(store, correction, clock()))

    def hold(self, name: str) -> bool:
        """An order that has not left is held back; whether there was one."""
        orders = [row for row in self._orders(name) if row.open and not row.left]
        if not orders:
            return False
        row = self._play.random.choice(orders)
        return self._try(lambda store: hold(store, row.id, "the buyer is asked for a phone number", clock()))

    def lift(self) -> int:
        """What was held back may go; returns how many orders that were."""
        if self._play.store is None:
            return 0
        with self._play.store.read() as tx:
            rows = tx.rows("SELECT order_id FROM holds WHERE hold = :hold", hold=Hold.OPERATOR.value)
        for row in rows:
            self._try(partial(lift, order_id=row.order_id, kind=Hold.OPERATOR, now=clock()))
        return len(rows)

    def _orders(self, name: str, told_by: Ability | None = None) -> Sequence[Any]:
        """Lines of this channel's newest orders, and what of them is open, has left, was told.

        `told_by`: what the channel has to be able to for the deed to be told to it; None: it is done here alone.
        """
        play = self._play
        if play.store is None:
            return ()
        if told_by is not None and told_by not in find(play.channels[name].connector).abilities:
            return ()
        moving = play.packers.untold() if play.packers is not None else set()
        with play.store.read() as tx:
            rows = tx.rows(
                "SELECT o.id, o.number AS of, l.number AS line, l.reserved + l.backordered AS open,"
                " (SELECT sum(e.shipped) FROM lines e WHERE e.order_id = o.id) AS left,"
                " (SELECT sum(e.allocated) FROM lines e WHERE e.order_id = o.id) AS asked,"
                " EXISTS (SELECT 1 FROM shipment_lines u JOIN pushes p ON p.shipment_id = u.shipment_id"
                "  WHERE u.line_id = l.id AND p.state = 'confirmed') AS told"
                " FROM lines l JOIN orders o ON o.id = l.order_id JOIN channels c ON c.id = o.channel_id"
                " WHERE c.name = :name AND o.fulfiller = 'merchant' AND NOT EXISTS (SELECT 1 FROM lines e"
                " WHERE e.order_id = o.id AND (e.cancelled > 0 OR e.held > 0)) ORDER BY l.id DESC LIMIT 60",
                name=name,
            )
        return [row for row in rows if row.id not in moving]

    def _try(self, deed: Callable[[Store], object]) -> bool:
        if self._play.store is None:
            return False
        try:
            deed(self._play.store)
        except UserError:
            return False
        return True
