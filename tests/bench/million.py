"""The intake again, into a store that holds a million orders, in turn with the same into an empty one."""

from __future__ import annotations

from tests.bench import floor, history, seller
from tests.bench.databases import Database, databases, opened
from tests.bench.figures import Cost, Figure, Report, Runs, compare, measured
from tests.bench.intake import CPU_AIM, taken
from tests.bench.shop import shop

SPEED_AIM = 0.8
"""Of the speed at an empty store."""


def million(quick: bool) -> Report:
    """Every order of the million is open and in every index: no history is worse."""
    batch, times, rounds = (500, 10, 1) if quick else (10_000, 100, 3)
    report = Report()
    with databases() as kinds, shop() as address:
        for database in kinds:
            _measure(report, database, address, batch, times, rounds)
    return report


def _measure(report: Report, database: Database, address: str, batch: int, times: int, rounds: int) -> None:
    template = database.template(seller.fill)
    full = database.copy(template)
    with opened(full) as store:
        taken(database, store, f"{address}/wide/0/{batch}", batch)
        sheets = floor.read_back(store)
    with floor.driver(full) as raw:
        raw.without_checks()
        history.multiply(raw, times)
        raw.settle(history.OWNERS)
    ours, ours_full, bare, bare_full = (Runs(batch) for _ in range(4))
    number = batch * times
    for _ in range(rounds):
        url = database.copy(template)
        with opened(url) as store:
            ours.costs.append(taken(database, store, f"{address}/wide/{number}/{batch}", batch))
        database.drop(url)
        with opened(full) as store:
            ours_full.costs.append(taken(database, store, f"{address}/wide/{number}/{batch}", batch))
        number += batch
        url = database.copy(template)
        bare.costs.append(_bare(database, url, sheets))
        database.drop(url)
        with floor.driver(full) as raw:
            fresh = history.moved(sheets, history.highest(raw), number)
        bare_full.costs.append(_bare(database, full, fresh))
        number += batch
    database.drop(full)
    database.drop(template)
    size = f"{batch * times:,} orders"
    for who, there, empty, aim in (("", ours_full, ours, SPEED_AIM), ("raw driver, ", bare_full, bare, None)):
        report.figures.append(
            Figure(
                part="million",
                what=f"{database.name}: {who}speed with {size} in the store",
                unit="orders/s",
                ours=there.per_second(),
                floor=empty.per_second(),
                against="the same into an empty store",
                aim=aim,
                note=f"slowest/fastest run {there.spread():.2f} (empty {empty.spread():.2f})",
            )
        )
        report.figures.append(
            Figure(
                part="million",
                what=f"{database.name}: {who}CPU of our process there",
                unit="µs/order",
                ours=there.cpu_micros(),
                floor=empty.cpu_micros(),
                against="the same into an empty store",
                less_is_better=True,
            )
        )
    against = "raw driver, all the same rows, at the same size"
    report.figures += compare("million", database.name, "order", ours_full, bare_full, against, aim=CPU_AIM)


def _bare(database: Database, url: str, sheets: list[floor.Sheet]) -> Cost:
    with floor.driver(url) as raw:
        with measured(database.cpu) as cost:
            floor.replay(raw, sheets, floor.ALL)
        raw.settle(history.OWNERS, analyze=False)
    return cost
