"""Decoding: what it takes to make an order of a channel's document, beside reading its JSON at all."""

from __future__ import annotations

import msgspec

from core.connector import Connector, find
from tests.bench.accounts import accounts, buy
from tests.bench.figures import Figure, Report, Runs, measured


def decode(quick: bool) -> Report:
    """Documents of two lines each, as the simulators serve them."""
    orders, rounds = (50, 3) if quick else (400, 7)
    skus = [f"SKU-{number:04d}" for number in range(200)]
    report = Report()
    with accounts(skus) as (simulators, settings):
        for name, simulator in simulators.items():
            for number in range(orders):
                buy(simulator, skus, number)
            own = settings.channels[name]
            connector = find(own.connector)(name, own)
            try:
                bodies = [seen.body for page in connector.pages(None) for seen in page.observations]
                report.figures.append(_measure(name, connector, bodies, rounds))
            finally:
                connector.close()
    return report


def _measure(name: str, connector: Connector, bodies: list[bytes], rounds: int) -> Figure:
    ours, bare = Runs(len(bodies)), Runs(len(bodies))
    for _ in range(rounds):
        with measured() as cost:
            for body in bodies:
                connector.normalize(body)
        ours.costs.append(cost)
        with measured() as cost:
            for body in bodies:
                msgspec.json.decode(body)
        bare.costs.append(cost)
    return Figure(
        part="decode",
        what=f"{name}: CPU to decode and normalise",
        unit="µs/order",
        ours=ours.cpu_micros(),
        floor=bare.cpu_micros(),
        against="the document's JSON into plain dicts",
        less_is_better=True,
        note=f"{sum(map(len, bodies)) // len(bodies):,} bytes a document",
    )
