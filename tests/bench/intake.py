"""Intake: orders from a socket to committed reservations and allocations, beside the raw driver writing their rows."""

from __future__ import annotations

from core.store.database import Store
from core.sync.channel import clock
from core.sync.pull import pull
from tests.bench import floor, seller
from tests.bench.databases import Database, databases, opened
from tests.bench.figures import Cost, Report, Runs, compare, measured
from tests.bench.shop import shop

CPU_AIM = 3.0
"""CPU for an order, in times of the raw driver's."""


def intake(quick: bool) -> Report:
    """Empty stores, several rounds; in each, ours and both floors in turn."""
    orders, rounds = (1_000, 1) if quick else (10_000, 5)
    report = Report()
    with databases() as kinds, shop() as address:
        for database in kinds:
            _measure(report, database, f"{address}/wide/0/{orders}", orders, rounds)
    return report


def _measure(report: Report, database: Database, address: str, orders: int, rounds: int) -> None:
    template = database.template(seller.fill)
    first = database.copy(template)
    with opened(first) as store:  # unmeasured: warms up, and gives the floors their rows
        taken(database, store, address, orders)
        sheets = floor.read_back(store)
    database.drop(first)
    ours, full, core = Runs(orders), Runs(orders), Runs(orders)
    for _ in range(rounds):
        url = database.copy(template)
        with opened(url) as store:
            ours.costs.append(taken(database, store, address, orders))
        database.drop(url)
        for runs, which in ((full, floor.ALL), (core, floor.CORE)):
            url = database.copy(template)
            with floor.driver(url) as raw, measured(database.cpu) as cost:
                floor.replay(raw, sheets, which)
            runs.costs.append(cost)
            database.drop(url)
    database.drop(template)
    report.figures += compare(
        "intake", database.name, "order", ours, full, "raw driver, all the same rows", aim=CPU_AIM
    )
    report.figures += compare("intake", database.name, "order", ours, core, "raw driver, orders+lines+reservations")


def taken(database: Database, store: Store, address: str, orders: int) -> Cost:
    """What it costs to pull the orders at `address`, all of them new, through the real connector."""
    connector = seller.open_shop(address)
    try:
        channel = seller.take_up_shop(store, connector)
        with measured(database.cpu) as cost:
            counts = pull(store, channel, clock)
    finally:
        connector.close()
    if counts.stored != orders:
        raise RuntimeError(f"{orders} orders were served, and {counts.stored} of them stored: {counts}")
    with store.read() as tx:
        open_units = "SELECT count(*) FROM lines WHERE reserved < ordered OR allocated < reserved"
        if tx.value(open_units):
            raise RuntimeError("orders were stored without their reservations and allocations")
    return cost
