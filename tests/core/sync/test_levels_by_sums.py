"""What is computed by sums is what is computed one by one."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.model import Hold
from core.store.database import Store
from core.store.moves import touch
from core.sync import levels as desiring
from core.sync.listing_rules import set_rule
from tests.core.sync.test_levels import follow
from tests.core.sync.world import World, line, order

_CHANNELS = st.lists(
    st.fixed_dictionaries(
        {
            "locations": st.sampled_from([{"east": "", "west": ""}, {"east": "E", "west": "W"}, {"east": ""}]),
            "buffer": st.sampled_from([0, 0, 3, "auto"]),
            "cap": st.sampled_from([None, 4]),
            "percent": st.sampled_from([100, 60]),
        }
    ),
    min_size=1,
    max_size=3,
)
_MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("order"), st.integers(0, 3), st.integers(1, 5), st.sampled_from(["", "held", "release"])),
        st.tuples(st.just("receive"), st.integers(0, 2), st.integers(1, 5), st.sampled_from(["east", "west"])),
        st.tuples(st.sampled_from(["rule", "buffer", "ahead"]), st.integers(0, 2), st.integers(0, 6), st.just("")),
        st.tuples(st.just("moved"), st.integers(0, 2), st.integers(0, 1), st.just("")),
        st.tuples(st.just("refresh"), st.just(0), st.just(0), st.just("")),
    ),
    min_size=2,
    max_size=8,
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(channels=_CHANNELS, moves=_MOVES, keep=st.sampled_from((0, 1, 5)))
def test_levels_by_sums_are_the_levels_one_by_one(
    store: Store, channels: list[dict[str, Any]], moves: list[tuple[str, int, int, str]], keep: int
) -> None:
    world = World(store)
    run = world.value("SELECT COUNT(*) FROM items")
    shops = [world.channel(f"c{run}-{number}", **given_) for number, given_ in enumerate(channels)]
    store.transact(lambda tx: tx.run("UPDATE locations SET keep = :keep WHERE name = 'east'", keep=keep))
    skus = [f"{letter}{run}" for letter in "ABC"]
    for sku, east in zip(skus, (9, 4, 0), strict=True):
        world.item(sku, east=east, west=2)
    world.kit(f"K{run}", {skus[0]: 2, skus[1]: 1})
    for shop in shops:
        world.offer(shop, *skus, f"K{run}")

    def refreshed() -> None:
        world.later()
        follow(world, *shops)
        settings_ = {shop.name: shop.settings for shop in shops}
        with store.read() as tx:
            by = desiring.in_force(tx, desiring.rules(tx, settings_))
            told = desiring.desired(tx, by, list(world.items.values()))
            places = {id: set(rule.places) for id, rule in by.items()}
        mine = [shop.id for shop in shops]
        stored = {
            (row.listing_id, row.place): (row.channel_id, row.desired)
            for row in world.rows("SELECT * FROM levels WHERE channel_id IN :ids", ids=mine)
            if row.place in places[row.channel_id] or row.desired
        }
        assert stored == told

    for number, (what, one, units, how) in enumerate(moves):
        shop = shops[one % len(shops)]
        sku = [*skus, f"K{run}"][one]
        if what == "order":
            holds = (Hold.PAYMENT,) if how == "held" else ()
            world.take(shop, order(f"{run}-{number}", line(1, sku, units), holds=holds))
            if how == "release":
                world.release(shop)
        elif what == "receive":
            world.receive(sku, how, units)
        elif what == "rule":
            set_rule(store, shop.id, sku, world.now, cap=units or None)
        elif what == "moved":  # the channel keeps its levels at other places from now on
            where = ({"east": "", "west": ""}, {"east": "E", "west": "W"})[units]
            shops[one % len(shops)] = world.channel(shop.name, **{**channels[one % len(shops)], "locations": where})
        elif what == "refresh":
            refreshed()
        else:
            sql = {
                "buffer": "INSERT INTO buffers (channel_id, item_id, units) VALUES (:channel, :item, :units)"
                " ON CONFLICT (channel_id, item_id) DO UPDATE SET units = excluded.units",
                "ahead": "INSERT INTO presales (item_id, kind, cap) VALUES (:item, 'backorder', :units)"
                " ON CONFLICT DO NOTHING",
            }[what]
            with store.write() as tx:
                named = {"channel": shop.id} if what == "buffer" else {}
                tx.run(sql, item=world.items[sku], units=units + 1, **named)
                touch(tx, [world.items[sku]])
    refreshed()
