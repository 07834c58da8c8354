"""`ordersync stock cost`: what items cost, for the metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core.commands import given, show
from core.commands.given import Config, Json
from core.errors import UserError
from core.sync.costs import cost_of, read_costs, set_costs


def register(group: typer.Typer) -> None:
    group.command("cost")(cost)


def cost(
    sku: Annotated[str | None, typer.Argument(metavar="SKU", help="The item's SKU.")] = None,
    amount: Annotated[str | None, typer.Argument(metavar="AMOUNT", help="Of one unit.")] = None,
    currency: Annotated[str | None, typer.Argument(metavar="CURRENCY", help="Three letters: USD.")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="CSV", help="Many at once: columns sku, cost and currency.")
    ] = None,
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Say what a unit costs you: inventory turnover is measured by it, nothing else."""
    if (file is None) == (sku is None or amount is None or currency is None):
        raise UserError("write SKU AMOUNT CURRENCY, or --file CSV with many of them")
    costs = {sku or "": cost_of(amount or "", currency or "")} if file is None else read_costs(file)
    with given.opened(config) as (_, store):
        count = set_costs(store, costs)
    if json:
        show.document({"items": [{"sku": sku, "cost": str(one.amount), "currency": one.currency}
                                 for sku, one in costs.items()]})  # fmt: skip
    else:
        show.line(f"{show.many(count, 'item')} with a cost")
