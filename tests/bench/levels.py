"""Levels: what three channels should be told of a hundred thousand items in five warehouses, all anew, all again (as
when rules change and come to the same) and a few."""

from __future__ import annotations

from core.model import Location
from core.settings import ChannelSettings
from core.store.database import Store
from core.sync.channel import clock
from core.sync.levels import BATCH, refresh
from tests.bench import floor, seller
from tests.bench.databases import Database, databases, opened
from tests.bench.figures import Figure, Report, Runs, compare, measured

SHOPS = ("shop0", "shop1", "shop2")
WAREHOUSES = [Location(name=f"place{number}", postal_code="10001") for number in range(5)]
AGAIN_AIM = 1.0
"""Seconds of CPU to compute and compare all of them."""

ITEM_AIM = 100.0
"""Microseconds of CPU for an item that has changed."""

_COLUMNS = ("listing_id", "place", "channel_id", "desired", "due_at")


def levels(quick: bool) -> Report:
    """The floor reads the same stock and writes the same levels, in the same batches, and computes nothing."""
    items, few, rounds = (2_000, 100, 1) if quick else (100_000, 500, 2)
    report = Report()
    with databases() as kinds:
        for database in kinds:
            _measure(report, database, items, few, rounds, quick)
    return report


def _measure(report: Report, database: Database, items: int, few: int, rounds: int, quick: bool) -> None:
    channels: dict[str, ChannelSettings] = {}
    template = database.template(lambda store: channels.update(_fill(store, items)))
    with floor.driver(template) as raw:
        raw.settle(())
    full, full_bare = Runs(len(SHOPS) * items), Runs(len(SHOPS) * items)
    some, some_bare = Runs(few), Runs(few)
    again = Runs(items)
    for _ in range(rounds):
        url = database.copy(template)
        with opened(url) as store:
            with measured(database.cpu) as cost:
                refresh(store, channels, clock())
            full.costs.append(cost)
            told = _told(store, len(SHOPS) * items)
            with store.write() as tx:
                tx.run("INSERT INTO touched (item_id) SELECT id FROM items")
            with measured(database.cpu) as cost:
                refresh(store, channels, clock())
            again.costs.append(cost)
            _told(store, len(SHOPS) * items)
            _change(store, few)
            with measured(database.cpu) as cost:
                refresh(store, channels, clock())
            some.costs.append(cost)
            _told(store, len(SHOPS) * items, changed=len(SHOPS) * few)
        database.drop(url)
        url = database.copy(template)
        with floor.driver(url) as raw:
            ids = sorted({row[1] for row in told})
            with measured(database.cpu) as cost:
                for at in range(0, len(ids), BATCH):
                    _write(raw, ids[at : at + BATCH], told[at * len(SHOPS) : (at + BATCH) * len(SHOPS)])
            full_bare.costs.append(cost)
            with measured(database.cpu) as cost:
                _rewrite(raw, ids[:few], told[: few * len(SHOPS)])
            some_bare.costs.append(cost)
        database.drop(url)
    database.drop(template)
    against = "raw driver: reads the stock, writes the levels"
    report.figures += compare("levels", f"{database.name}, {items:,} items anew", "level", full, full_bare, against)
    report.figures += compare("levels", f"{database.name}, {few} changed", "item", some, some_bare, against)
    whole = again.whole_cpu_micros() * items / 1e6
    for what, unit, ours, most in (
        (f"{items:,} items again, nothing differs: CPU, the server's too", "s", whole, AGAIN_AIM),
        (f"{few} changed: CPU of an item, the server's too", "µs", some.whole_cpu_micros(), ITEM_AIM),
    ):
        report.figures.append(
            Figure(
                part="levels",
                what=f"{database.name}: {what}",
                unit=unit,
                ours=ours,
                floor=most,
                against="as much as it may take",
                aim=None if quick else 1.0,
                less_is_better=True,
            )
        )


def _fill(store: Store, items: int) -> dict[str, ChannelSettings]:
    channels: dict[str, ChannelSettings] = {}
    for name in SHOPS:
        shop = seller.open_shop("http://127.0.0.1:1", name, WAREHOUSES)
        channel = seller.take_up_shop(store, shop, WAREHOUSES)
        shop.close()
        channels[name] = channel.settings
        with store.write() as tx:
            if name == SHOPS[0]:
                seller.fill_shelves(tx, [f"SKU-{number:06d}" for number in range(items)], 100)
            seller.list_all(tx, channel, told=False)
    with store.write() as tx:
        tx.run("INSERT INTO touched (item_id) SELECT id FROM items")
    return channels


def _change(store: Store, few: int) -> None:
    with store.write() as tx:
        chosen = "SELECT id FROM items ORDER BY id LIMIT :few"
        tx.run(f"UPDATE stock SET on_hand = on_hand - 1 WHERE item_id IN ({chosen})", few=few)
        tx.run(f"UPDATE items SET on_hand = on_hand - {len(WAREHOUSES)} WHERE id IN ({chosen})", few=few)
        tx.run(f"INSERT INTO touched (item_id) {chosen}", few=few)


def _told(store: Store, count: int, changed: int = 0) -> list[floor.Row]:
    """The levels as they stand, with their items, by item: (columns' values, item's id)."""
    with store.read() as tx:
        columns = ", ".join(f"v.{column}" for column in _COLUMNS)
        rows = tx.rows(
            f"SELECT {columns}, v.revision, l.item_id FROM levels v JOIN listings l ON l.id = v.listing_id"
            " ORDER BY l.item_id, v.listing_id"
        )
    if len(rows) != count or sum(row.revision == 2 for row in rows) != changed:
        raise RuntimeError(f"{count} levels were to be computed, {changed} of them anew; there are {len(rows)}")
    return [(tuple(row)[:-2], row.item_id) for row in rows]


def _write(raw: floor.Driver, items: list[int], rows: list[floor.Row]) -> None:
    raw.read_stock(items)
    raw.insert("levels", _COLUMNS, [row[0] for row in rows])
    raw.untouch(items)
    raw.commit()


def _rewrite(raw: floor.Driver, items: list[int], rows: list[floor.Row]) -> None:
    raw.read_stock(items)
    raw.add("levels", "desired", [(row[0][0], row[0][1], 1) for row in rows])
    raw.untouch(items)
    raw.commit()
