"""Kits are put together on order: what lines take of a component is summed, and never more than is there."""

from __future__ import annotations

from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.model import Hold
from core.spare import whole
from core.store.database import Store
from core.sync.verify import verify
from tests.core.sync.world import World, line, order

_PARTS = st.dictionaries(st.integers(1, 3), st.integers(1, 3), min_size=1).map(lambda parts: tuple(parts.items()))
_FREE = st.dictionaries(st.tuples(st.integers(1, 3), st.integers(1, 3)), st.integers(0, 9))


@given(_PARTS, _FREE, st.sets(st.integers(1, 3)))
def test_whole_kits_are_counted_as_if_each_were_put_together(
    parts: tuple[tuple[int, int], ...], free: dict[tuple[int, int], int], places: set[int]
) -> None:
    left, made = Counter(free), 0
    for place in places:
        while all(left[item, place] >= per for item, per in parts):
            made += 1
            for item, per in parts:
                left[item, place] -= per
    assert whole(parts, free, places) == made


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    bolts=st.integers(0, 12),
    nuts=st.integers(0, 12),
    kit=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    wanted=st.lists(st.tuples(st.sampled_from(["kit", "bolt", "nut"]), st.integers(1, 5)), min_size=2, max_size=4),
    held=st.booleans(),
)
def test_two_lines_that_share_a_component_never_take_it_twice(
    store: Store, bolts: int, nuts: int, kit: tuple[int, int], wanted: list[tuple[str, int]], held: bool
) -> None:
    world = World(store)
    run = world.value("SELECT COUNT(*) FROM items")
    channel = world.channel(f"c{run}", locations={"east": ""})
    skus = {name: f"{name}{run}" for name in ("bolt", "nut", "kit")}
    world.item(skus["bolt"], east=bolts)
    world.item(skus["nut"], east=nuts)
    world.kit(skus["kit"], {skus["bolt"]: kit[0], skus["nut"]: kit[1]})
    lines = [line(number, skus[what], units) for number, (what, units) in enumerate(wanted)]
    world.take(channel, order("1", *lines, holds=(Hold.PAYMENT,) if held else ()))
    per = {"bolt": {"bolt": 1}, "nut": {"nut": 1}, "kit": {"bolt": kit[0], "nut": kit[1]}}
    left = {"bolt": bolts, "nut": nuts}
    for number, (what, units) in enumerate(wanted):  # first come, first served, line by line
        most = min(left[part] // count for part, count in per[what].items())
        promised = min(units, most)
        for part, count in per[what].items():
            left[part] -= count * promised
        counts = world.counts("1", number, channel.name)
        assert (counts.get("reserved", 0), counts.get("backordered", 0)) == (promised, units - promised)
    assert world.stock(skus["bolt"]) == (bolts, bolts - left["bolt"])
    assert world.stock(skus["nut"]) == (nuts, nuts - left["nut"])
    assert verify(store, file=False) == []
