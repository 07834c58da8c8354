"""Several people at once at the same parcel, box and shelf: each thing happens once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from core.errors import UserError
from core.sync.aside import Going, let_go, standing
from core.sync.exchange import Exchange, exchange
from core.sync.received import Came, Disposition, Receiving, receive
from core.sync.rma import Opening, open_return
from core.sync.void import Void, void
from tests.core.sync.world import World, line, order

T = TypeVar("T")
AT_ONCE = 6


def all_at_once(work: Callable[[int], T]) -> list[T | None]:
    """What each of several threads gets that start together; None for one that is refused."""
    start = Barrier(AT_ONCE)

    def one(number: int) -> T | None:
        start.wait()
        try:
            return work(number)
        except UserError:
            return None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, range(AT_ONCE)))


def test_each_thing_happens_once_however_many_do_it(world: World) -> None:
    world.item("A", east=9)
    world.item("B", east=9)
    shop = world.channel()
    world.take(shop, order("1", line(1, "A", 4)), order("2", line(1, "A", 2)))
    world.ship("1")
    world.ship("2", tracking="T2")
    void_one = Void(order_id=world.order("2").id, tracking="T2", why="x")
    done = all_at_once(lambda _: void(world.store, void_one, world.now).new)
    assert sorted(map(bool, done)) == [False] * (AT_ONCE - 1) + [True]
    assert world.stock("A") == (5, 2)

    rma = open_return(world.store, Opening(order_id=world.order("1").id, reason=""), world.now)
    box = Receiving(
        target=rma.name, came=[Came(name="A", units=3, disposition=Disposition.QUARANTINE)], reference="box 1"
    )
    done = all_at_once(lambda _: receive(world.store, box, world.now).new)
    assert sorted(map(bool, done)) == [False] * (AT_ONCE - 1) + [True]
    assert world.line("1").returned == 3

    single = [Came(name="A", units=1, disposition=Disposition.RESTOCK)]
    done = all_at_once(lambda _: receive(world.store, Receiving(target=rma.name, came=single), world.now).new)
    assert done.count(True) == 1
    assert world.line("1").returned == 4

    out = Going(sku="A", location="east", units=1, condition="quarantine", kind="release")
    done = all_at_once(lambda number: let_go(world.store, [out], world.now, reference=str(number)))
    assert done.count(True) == 3
    assert standing(world.store) == []
    assert world.stock("A") == (9, 2)

    instead = Exchange(target=rma.name, units={"B": 1}, reference="e")
    made = all_at_once(lambda _: exchange(world.store, instead, world.now).order_id)
    assert len(set(made)) == 1
    assert world.stock("B") == (9, 1)
