"""The command line as a whole."""

from __future__ import annotations

import typer

from core.commands import (
    aside,
    back,
    backfill,
    cancel,
    check,
    correct,
    demo,
    doctor,
    edge,
    hold,
    issues,
    levels,
    listings,
    location,
    metrics,
    orders,
    plan,
    push,
    quarantine,
    reconcile,
    refund,
    reroute,
    returns,
    rounds,
    route,
    ship,
    simulate,
    status,
    stock,
    verify,
    void,
    warehouses,
)


def build() -> typer.Typer:
    """Every command there is; `daemon` adds the background service itself."""
    app = typer.Typer(
        name="ordersync",
        cls=edge.Commands,
        help="Order management for sellers on several channels: one store, nothing sold twice.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    for module in _MODULES:
        module.register(app)
    return app


_MODULES = (
    demo,
    rounds,
    check,
    doctor,
    status,
    issues,
    plan,
    orders,
    ship,
    correct,
    void,
    hold,
    cancel,
    refund,
    reroute,
    route,
    location,
    push,
    stock,
    listings,
    levels,
    quarantine,
    warehouses,
    reconcile,
    metrics,
    backfill,
    returns,
    back,
    aside,
    verify,
    simulate,
)
