from __future__ import annotations

from core.model import instant
from core.sync.expected import expected
from core.sync.incoming import expect
from tests.core.sync.world import START, World, line, order

DAY = 86_400_000_000


def test_a_waiting_line_knows_what_covers_it_in_the_order_of_the_queue(world: World) -> None:
    world.item("A")
    world.item("B")
    world.kit("SET", {"A": 1, "B": 1})
    shop, best = world.channel(), world.channel("best", backorder_priority=1)
    own = {"shop": shop.settings, "best": best.settings}
    world.receive("A", "east", 0)
    expect(world.store, "A", "east", 3, "PO1", world.now, eta=START + 5 * DAY)
    expect(world.store, "A", "east", 9, "PO2", world.now, eta=START + 9 * DAY)
    expect(world.store, "B", "east", 9, "PO3", world.now, eta=START + 20 * DAY)
    world.take(shop, order("1", line(1, "A", 2), at=START), order("2", line(1, "SET", 1), at=START + 1))
    world.take(shop, order("3", line(1, "A", 1), at=START + 2, ship_by=instant(START - DAY)))
    world.take(best, order("4", line(1, "A", 2), at=START + 9))
    ids = [world.order(number).id for number in ("1", "2", "3")]
    with world.store.read() as tx:
        found = expected(tx, ids, own)
        alone = expected(tx, ids[:1], own)
    told = [(one.units, one.eta, one.references) for one in (found[world.line(n).id] for n in ("1", "2", "3"))]
    assert told == [
        (2, START + 9 * DAY, ("PO2",)),
        (1, START + 20 * DAY, ("PO2", "PO3")),
        (1, START + 5 * DAY, ("PO1",)),
    ]
    assert alone == {world.line("1").id: found[world.line("1").id]}
