"""Whatever happens to an order after it was taken, in any order: units are where a few sums say they are.

One order of one item, and everything that may happen to it: shipped in parts, told to its channel or not, void,
cancelled there and here, coming back, set aside, given money for. Beside it goes a model of a dozen lines.
"""

from __future__ import annotations

import itertools
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.connector import Ability
from core.errors import UserError
from core.model import CancelReason, Order, Package
from core.store.database import Store
from core.sync.aside import Going, let_go
from core.sync.cancel import Decision, cancel
from core.sync.channel import Channel
from core.sync.late import Keep, keep
from core.sync.push import push_cancellations, push_tracking
from core.sync.received import Came, Disposition, Receiving, receive
from core.sync.refund import refund
from core.sync.rma import Opening, open_return
from core.sync.rma_refund import bind, propose
from core.sync.ship import Departure, ship
from core.sync.verify import verify
from core.sync.void import Void, void
from tests.core.sync.fake import SIMPLE, Fake
from tests.core.sync.world import START, World, check, line, order

HAD = 6
"""Units at each of the two locations at first."""

PLACES = st.sampled_from(["east", "west"])
UNITS = st.integers(1, 3)
SHIP = st.tuples(st.just("ship"), UNITS, PLACES)
VOID = st.tuples(st.just("void"), st.integers(0, 1))
TELL, SEE = st.tuples(st.just("tell")), st.tuples(st.just("see"))
RECEIVE = st.tuples(st.just("receive"), UNITS, st.sampled_from(list(Disposition)), PLACES)
OTHERS = st.one_of(
    st.tuples(st.just("cancel here"), UNITS),
    st.tuples(st.just("cancel there"), UNITS),
    st.tuples(st.just("open"), UNITS),
    st.tuples(st.just("let go"), UNITS, st.sampled_from(["release", "dispose"]), PLACES),
    st.tuples(st.just("keep")),
    st.tuples(st.just("refund")),
    st.tuples(st.just("turn")),
)
STEPS = st.lists(st.one_of(SHIP, SHIP, VOID, VOID, TELL, SEE, RECEIVE, OTHERS, OTHERS), min_size=8, max_size=30)


@dataclass
class Model:
    """Where the units are."""

    ordered: int
    parcels: dict[str, int] = field(default_factory=dict)
    """Those that left, by tracking number."""
    gone: set[str] = field(default_factory=set)
    """The void ones."""
    told: dict[str, int] = field(default_factory=dict)
    """What the channel shows, for ever: it takes no parcel back."""
    cancelled_there: int = 0
    back: int = 0
    restocked: int = 0
    beside: dict[str, int] = field(default_factory=lambda: {"east": 0, "west": 0})
    """In quarantine."""
    released: int = 0
    late: int = 0
    """Cancelled there when they had left already, as it was seen last."""

    @property
    def shipped(self) -> int:
        return sum(self.parcels.values())

    @property
    def on_hand(self) -> int:
        return 2 * HAD - self.shipped + self.restocked + self.released


@dataclass
class Run:
    world: World
    shop: Channel
    sku: str
    model: Model
    first: Order
    version: int = 1
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    @property
    def line(self):  # type: ignore[no-untyped-def]
        return self.world.line("1", channel=self.shop.name)

    @property
    def order_id(self) -> int:
        return int(self.world.order("1", self.shop.name).id)

    @property
    def target(self) -> str:
        return f"{self.shop.name}:1"

    def ship(self, units: int, place: str) -> None:
        number = f"T{next(self.numbers)}"
        parcel = Departure(
            order_id=self.order_id, location=place, carrier="UPS", tracking=number, shipped_at=self.world.now,
            units={self.sku: units},
        )  # fmt: skip
        could = units <= self.line.reserved
        try:
            new = ship(self.world.store, parcel, self.world.now)[1]
        except UserError as error:
            if "that are not another order's" in str(error):
                return  # enough are promised, and not enough of them stand there
            new = False
        assert new is could
        if not new:
            return
        self.model.parcels[number] = units
        assert ship(self.world.store, parcel, self.world.now)[1] is False

    def void(self, which: int) -> None:
        numbers = sorted({*self.model.parcels, *self.model.gone})
        if which >= len(numbers):
            return
        wish = Void(order_id=self.order_id, tracking=numbers[which], why="x")
        units = self.model.parcels.get(numbers[which], 0)
        could = self.model.shipped - units >= self.model.back
        try:
            done = void(self.world.store, wish, self.world.now)
        except UserError:
            assert not could
            return
        assert done.new is (numbers[which] in self.model.parcels)
        assert sum(done.units.values()) == units
        self.model.parcels.pop(numbers[which], None)
        self.model.gone.add(numbers[which])
        self.model.late -= min(units, self.model.late)

    def tell(self) -> None:
        push_tracking(self.world.store, self.shop, self.world.clock)
        push_cancellations(self.world.store, self.shop, self.world.clock)
        open_there = self.model.ordered - self.model.cancelled_there - sum(self.model.told.values())
        for number, units in self.model.parcels.items():
            if number not in self.model.told and units <= open_there:
                self.model.told[number] = units
                open_there -= units

    def cancel_here(self, units: int) -> None:
        could = units <= self.line.reserved + self.line.backordered
        try:
            cancel(
                self.world.store,
                Decision(order_id=self.order_id, reason=CancelReason.BUYER, units={self.sku: units}),
                self.world.now,
            )
        except UserError:
            assert not could
        else:
            assert could

    def cancel_there(self, units: int) -> None:
        left = self.model.ordered - self.model.cancelled_there - sum(self.model.told.values())
        self.model.cancelled_there += min(units, max(0, left))

    def see(self) -> None:
        self.version += 1
        told = self.model.told
        now = msgspec.structs.replace(
            self.first,
            version=self.version,
            lines=(
                msgspec.structs.replace(
                    self.first.lines[0], shipped=sum(told.values()), cancelled=self.model.cancelled_there
                ),
            ),
            packages=tuple(Package(tracking=n, carrier="UPS", lines={"1": units}) for n, units in told.items()),
        )
        self.world.take(self.shop, now)
        self.model.late = max(0, self.model.cancelled_there + self.model.shipped - self.model.ordered)
        assert self.line.cancelled >= self.model.cancelled_there - self.model.late

    def receive(self, units: int, disposition: Disposition, place: str) -> None:
        wish = Receiving(
            target=self.target,
            came=[Came(name=self.sku, units=units, disposition=disposition)],
            location=place,
            reference=f"box {next(self.numbers)}",
        )
        could = units <= self.model.shipped - self.model.back
        try:
            new = receive(self.world.store, wish, self.world.now).new
        except UserError as error:
            if "several returns" in str(error):
                return
            new = False
        assert new is could
        if not new:
            return
        self.model.back += units
        self.model.restocked += units if disposition is Disposition.RESTOCK else 0
        self.model.beside[place] += units if disposition is Disposition.QUARANTINE else 0

    def open(self, units: int) -> None:
        with suppress(UserError):
            open_return(
                self.world.store,
                Opening(order_id=self.order_id, reason="", units={self.sku: units}),
                self.world.now,
            )
            assert units <= self.model.shipped - self.model.back

    def let_go(self, units: int, kind: str, place: str) -> None:
        going = Going(sku=self.sku, location=place, units=units, condition="quarantine", kind=kind)
        could = units <= self.model.beside[place]
        try:
            let_go(self.world.store, [going], self.world.now, reference=str(next(self.numbers)))
        except UserError:
            assert not could
            return
        assert could
        self.model.beside[place] -= units
        self.model.released += units if kind == "release" else 0

    def keep(self) -> None:
        with suppress(UserError):
            keep(self.world.store, Keep(order_id=self.order_id, why="x"), self.world.now)

    def refund(self) -> None:
        before = self.world.stock(self.sku)
        with suppress(UserError):
            proposal = propose(self.world.store, self._rma())
            assert 0 < sum(proposal.units.values()) <= self.model.back
            refund(self.world.store, proposal.wish, self.world.now, also=bind(proposal, self.world.now))
        assert self.world.stock(self.sku) == before

    def _rma(self) -> str:
        rows = self.world.rows("SELECT max(id) FROM rmas WHERE order_id = :id", id=self.order_id)
        return f"RMA-{rows[0][0] or 0}"

    def turn(self) -> None:
        self.world.refill(self.shop)
        self.world.release(self.shop)

    def agrees(self) -> None:
        model, row = self.model, self.line
        assert (row.shipped, row.returned, row.late) == (model.shipped, model.back, model.late)
        assert self.world.stock(self.sku) == (model.on_hand, row.reserved)
        stands = self.world.value(
            "SELECT COALESCE(SUM(a.units), 0) FROM aside a JOIN items i ON i.id = a.item_id"
            " WHERE i.sku = :sku AND a.condition = 'quarantine'",
            sku=self.sku,
        )
        assert stands == sum(model.beside.values())
        assert row.ordered == row.cancelled + row.shipped + row.reserved + row.backordered


_runs = itertools.count()


QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


@settings(max_examples=25, deadline=None, suppress_health_check=QUIET)
@given(ordered=st.integers(2, 6), steps=STEPS)
def test_whatever_happens_units_are_where_the_sums_say(
    sqlite_store: Store,
    ordered: int,
    steps: list[tuple],  # type: ignore[type-arg]
) -> None:
    _live(sqlite_store, ordered, steps)


@settings(max_examples=6, deadline=None, suppress_health_check=QUIET)
@given(ordered=st.integers(2, 6), steps=STEPS)
def test_so_it_is_on_either_database(store: Store, ordered: int, steps: list[tuple]) -> None:  # type: ignore[type-arg]
    _live(store, ordered, steps)


def _live(store: Store, ordered: int, steps: list[tuple]) -> None:  # type: ignore[type-arg]
    world = World(store)
    run_number = next(_runs)
    sku = f"A{run_number}"
    world.item(sku, east=HAD, west=HAD)
    abilities = SIMPLE | {Ability.CANCEL, Ability.REFUND}
    shop = world.channel(f"c{run_number}", fake=Fake(abilities=abilities))
    first = order("1", line(1, sku, ordered, unit_price=Decimal(2)), total=Decimal(2 * ordered), at=START)
    world.take(shop, first)
    run = Run(world, shop, sku, Model(ordered), first)
    for name, *args in steps:
        getattr(run, name.replace(" ", "_"))(*args)
        run.agrees()
    run.turn()
    run.agrees()
    row = run.line
    assert row.reserved == min(row.reserved + row.backordered, run.model.on_hand)  # nothing free is kept from it
    check(store)
    assert verify(store, file=False) == []
