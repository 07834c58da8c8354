"""The metrics and the inbox over a million orders: all days counted, one order changed, and what is read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC

from core.days import DAY, Days
from core.settings import IssuesSettings
from core.store.database import Store
from core.sync.channel import clock
from core.sync.facts import refresh_facts
from core.sync.issues import View, counts, inbox
from core.sync.metrics.measure import measure
from core.sync.metrics.period import Period
from tests.bench import floor, history, seller
from tests.bench.databases import Database, databases, opened
from tests.bench.figures import Figure, Report, measured
from tests.bench.intake import taken
from tests.bench.shop import shop

SPREAD = 100
"""Days that the orders are spread over."""

LATE = 1_000
"""One order of so many is to have left by now."""

_DAYS = Days(UTC)


def ledger(quick: bool) -> Report:
    """Every order is open, and one of a thousand is late: no inbox of a shop that works has more to look through."""
    batch, times = (500, 10) if quick else (10_000, 100)
    report = Report()
    with databases() as kinds, shop() as address:
        for database in kinds:
            _measure(report, database, address, batch, times)
    return report


def _measure(report: Report, database: Database, address: str, batch: int, times: int) -> None:
    template = database.template(seller.fill)
    url = database.copy(template)
    with opened(url) as store:
        taken(database, store, f"{address}/wide/0/{batch}", batch)
    with floor.driver(url) as raw:
        raw.without_checks()
        history.multiply(raw, times)
        now = clock()
        raw.run(f"UPDATE orders SET placed_at = placed_at - (id % {SPREAD}) * {DAY}")
        due = f"(id % {SPREAD}) * {DAY} + {DAY}"
        raw.run(f"UPDATE orders SET ship_by = CASE WHEN id % {LATE} = 0 THEN {now} - {due} ELSE {now} + 2 * {due} END")
        raw.commit()
        raw.settle(history.OWNERS)
    size = f"{batch * times:,} orders"

    def cpu(work: Callable[[], object]) -> float:
        """Seconds of CPU, the server's too: the wall's depend on what else the machine does."""
        with measured(database.cpu) as cost:
            work()
        return cost.cpu + cost.server

    def told(what: str, seconds: float, against: float | None = None) -> None:
        report.figures.append(
            Figure(
                part="ledger",
                what=f"{database.name}: {what}, {size}",
                unit="ms CPU",
                ours=seconds * 1000,
                floor=None if against is None else against * 1000,
                against="" if against is None else "adding up every line once",
                less_is_better=True,
            )
        )

    with opened(url) as store:
        once = cpu(lambda: _add_up(store))
        told("first counting of all days", cpu(lambda: refresh_facts(store, _DAYS, clock)), once)
        told("nothing changed", cpu(lambda: refresh_facts(store, _DAYS, clock)), once)
        with store.write() as tx:
            tx.run("INSERT INTO audit (at, actor, order_id, event) VALUES (1, 'bench', 1, 'looked at')")
        told("one order's days", cpu(lambda: refresh_facts(store, _DAYS, clock)), once)
        last = _DAYS.day(clock())
        with store.read() as tx:
            newest = int(tx.value("SELECT max(day) FROM facts_orders"))
        for by in ("", "item", "day"):
            period = Period(first=newest - SPREAD + 1, last=newest, by=by)
            of = f"by {by}" if by else "all together"
            seconds = cpu(lambda: measure(store, period, _DAYS, last * DAY, {}))  # noqa: B023 - runs at once
            told(f"every metric of {SPREAD} days {of}", seconds, once)
        view = View(clock(), IssuesSettings(), {})
        told("the inbox, its most urgent hundred", cpu(lambda: inbox(store, view, limit=100)), once)

        def counted() -> None:
            with store.read() as tx:
                counts(tx, view)

        told("the inbox, counted", cpu(counted), once)
    database.drop(url)
    database.drop(template)


def _add_up(store: Store) -> None:
    with store.read() as tx:
        tx.rows("SELECT item_id, sum(ordered), sum(shipped) FROM lines GROUP BY item_id")
