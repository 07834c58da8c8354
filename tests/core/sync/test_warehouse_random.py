"""A warehouse and we at random: whatever happens between them, every unit is sent once, and the shelf is as booked.

The people there send, decline and count, and give parcels that never left another label or lay their units back. Here
orders are cancelled, held and let go, parcels are void, and answers are lost. In the end nothing more and nothing less
lies there to be sent than is wanted.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec
import pytest

from connectors.sandbox_warehouse import Yard
from core.model import CancelReason
from core.sync.cancel import Decision, cancel
from core.sync.void import Void, void
from core.warehouse import Deed
from tests.core.sync.depot import Depot
from tests.core.sync.world import SECOND, World, line, order


class Trade:
    """Two orders of one item at one warehouse."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.choice = world, random.Random(seed)
        self.shop = world.channel(locations={"east": ""})
        first = self.choice.randint(1, 8)
        world.item("TEE", east=first)
        self.moves = [(world.now, first)]
        """What really came to the shelf or left it, and when."""
        self.depot = Depot(world)
        if seed % 2:
            self.depot.connector.abilities = self.depot.connector.abilities - {Deed.RECALL_UNITS}
        world.take(self.shop, *(order(number, line(1, "TEE", self.choice.randint(1, 5))) for number in "12"))
        self.phantoms: dict[str, tuple[str, str, int]] = {}
        """Parcels that are told to have left and stand there: their work, its line and their units."""
        self.gone = dict.fromkeys("12", 0)
        """Units of each order in parcels that are not void."""
        self.counted = world.later(100)
        self.parcels = 0

    def open(self, key: str) -> int:
        work = self.depot.yard.works()[key]
        return sum(work.open(number) for number in work.asked)

    def some_work(self) -> str:
        """Work with something to send, which they are not being asked to stop."""
        asked = {row.key for row in self.world.rows("SELECT h.key FROM handovers h JOIN recalls r"
                                                    " ON r.handover_id = h.id WHERE r.state = 'asked'")}  # fmt: skip
        return self.choice.choice([key for key in self.depot.yard.works() if self.open(key) > 0 and key not in asked]
                                  or [""])  # fmt: skip

    def order_of(self, key: str) -> str:
        sql = "SELECT o.number FROM orders o JOIN handovers h ON h.order_id = o.id WHERE h.key = :key"
        return str(self.world.value(sql, key=key))

    def wanted(self, number: str) -> int:
        row = self.world.line(number)
        return int(row.ordered - row.cancelled - self.gone[number])

    # There.

    def send(self) -> None:
        key = self.some_work()
        most = min(self.open(key), self.wanted(self.order_of(key))) if key else 0
        if most < 1:
            return
        (number,) = self.depot.yard.works()[key].asked
        units = self.choice.randint(1, most)
        self.gone[self.order_of(key)] += units
        self.parcels += 1
        at = max(self.counted + 1, self.world.now - self.choice.randint(0, 20) * SECOND)
        tracking = f"T{self.parcels}"
        self.depot.yard.send(key, [(tracking, {number: units})], at=self.depot.at((at - self.world.now) / SECOND))
        if self.choice.random() < 0.35:
            self.phantoms[tracking] = (key, number, units)
        else:
            self.moves.append((at, -units))

    def count(self) -> None:
        self.counted = as_of = max(self.counted, self.world.now - self.choice.randint(0, 50) * SECOND) + 1
        lay = sum(units for at, units in self.moves if at <= as_of)
        self.depot.yard.count("E", {"TEE": lay}, as_of=self.depot.at((as_of - self.world.now) / SECOND))

    def decline(self) -> None:
        key = self.some_work()
        if key and self.choice.random() < 0.4:
            (number,) = self.depot.yard.works()[key].asked
            some = {number: self.choice.randint(1, self.open(key))}
            self.depot.yard.decline(key, self.choice.choice([None, some]))

    def slow(self) -> None:
        self.depot.yard.slow = not self.depot.yard.slow

    def receive(self) -> None:
        self.arrive(self.choice.randint(1, 3))

    def arrive(self, units: int) -> None:
        self.world.receive("TEE", "east", units)
        self.moves.append((self.world.now, units))

    def down(self) -> None:
        self.depot.yard.fail(self.choice.choice(["unavailable", "lost answer", None]))

    # Here.

    def turn(self) -> None:
        self.depot.turn(self.choice.choice([1, 31]))

    def route(self) -> None:
        self.world.refill(self.shop)
        self.world.release(self.shop)

    def cancel(self) -> None:
        """A unit that has not been sent."""
        number = self.choice.choice("12")
        if self.wanted(number) > 0:
            decision = Decision(self.world.order(number).id, CancelReason.BUYER, {"TEE": 1})
            cancel(self.world.store, decision, self.world.now)

    def hold(self) -> None:
        number = self.choice.choice("12")
        if not self.world.holds(number):
            self.world.hold(number)

    def lift(self) -> None:
        for number in "12":
            self.world.lift(number)

    def void(self) -> None:
        for row in self.world.rows("SELECT tracking, order_id FROM shipments WHERE voided_at IS NULL ORDER BY id"):
            if row.tracking in self.phantoms and self.choice.random() < 0.7:
                void(self.world.store, Void(row.order_id, row.tracking, "it stands here"), self.world.now)
                key, number, units = self.phantoms.pop(row.tracking)
                self.gone[self.order_of(key)] -= units
                if self.choice.random() < 0.5:  # it is laid back, and may be sent once more
                    self.depot.yard.works()[key].sent[number] -= units

    DEEDS = (turn, turn, turn, route, send, send, send, void, cancel, receive, hold, lift, down, count, count, decline,
             slow)  # fmt: skip

    def any(self) -> None:
        self.world.later(1)
        deed: Callable[[Trade], None] = self.choice.choice(self.DEEDS)
        deed(self)

    # The end.

    def settle(self) -> None:
        """All is well again, and everybody answers."""
        self.depot.yard.fail(None)
        self.lift()
        self.world.later(1)
        self.arrive(20)
        for _ in range(8):
            self.go_on()

    def go_on(self) -> None:
        with self.world.store.write() as tx:  # who has said no is asked again
            tx.run("DELETE FROM left_out")
            tx.run("UPDATE parked SET due_at = 0")
        self.route()
        self.depot.turn(31)
        for row in self.world.rows("SELECT r.key, r.lines, h.key AS work FROM recalls r JOIN handovers h"
                                   " ON h.id = r.handover_id WHERE r.state = 'asked'"):  # fmt: skip
            lines, work = msgspec.json.decode(row.lines, type=dict[str, int]), self.depot.yard.works()[row.work]
            self.depot.yard.answer_recall(row.key, done=all(work.open(n) >= units for n, units in lines.items()))
        self.void()

    def send_all(self) -> None:
        while key := self.some_work():
            (number,) = self.depot.yard.works()[key].asked
            self.parcels += 1
            self.moves.append((self.world.now, -self.open(key)))
            self.depot.yard.send(key, [(f"T{self.parcels}", {number: self.open(key)})], at=self.depot.at())
            self.go_on()


@pytest.mark.parametrize("seed", range(24))
def test_every_unit_is_sent_once(small_world: World, seed: int) -> None:
    trade = Trade(small_world, seed)
    for _ in range(trade.choice.randint(8, 25)):
        trade.any()
    trade.settle()
    wanted = small_world.value("SELECT SUM(allocated) FROM lines")
    assert sum(max(0, trade.open(key)) for key in trade.depot.yard.works()) == wanted
    trade.send_all()
    for row in small_world.rows("SELECT * FROM lines"):
        assert row.shipped + row.cancelled == row.ordered
    assert small_world.stock("TEE") == (sum(units for _, units in trade.moves), 0)
    assert {state for _, state, _ in trade.depot.notices()} <= {"taken"}
    Yard.forget("depot")
