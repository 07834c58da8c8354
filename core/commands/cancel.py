"""`ordersync cancel`: units of an order will not ship."""

from __future__ import annotations

from typing import Annotated

import typer

from core.commands import given, show
from core.commands.edge import NeedsAttention
from core.commands.given import Config, Json, Note, Notify, Order, Reference
from core.connector import Ability
from core.model import CancelReason
from core.sync.cancel import Decision
from core.sync.cancel import cancel as decide
from core.sync.channel import clock
from core.sync.exchange import is_exchange
from core.sync.find import find_order


def register(app: typer.Typer) -> None:
    app.command("cancel")(cancel)


def cancel(
    order: Order,
    reason: Annotated[CancelReason, typer.Option("--reason", help="Why; told to the channel in its own words.")],
    line: Annotated[
        list[str] | None,
        typer.Option("--line", metavar="SKU=QTY", help="Only these; everything that has not shipped if not given."),
    ] = None,
    note: Note = "",
    notify: Notify = True,
    reference: Reference = "",
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Cancel what has not shipped of an order: its stock is free at once, and its channel is told next.

    What has shipped cannot be cancelled. If the channel refuses, `ordersync status` says so: see `ordersync push`.
    """
    units = given.quantities(line or [])
    with given.opened(config) as (settings, store):
        with store.read() as tx:
            row = find_order(tx, order)
            ours = is_exchange(tx, row.id)
        name = row.name or row.number
        why_not = "" if ours else given.unable(settings, row.channel, Ability.CANCEL)
        if why_not:
            raise NeedsAttention(
                f"{row.channel} cannot be told to cancel: {why_not}; cancel order {name} there by hand, then "
                f"`ordersync resync {row.channel} {row.number}` frees its stock"
            )
        decision = Decision(
            order_id=row.id, reason=reason, units=units or None, note=note, notify=notify, reference=reference
        )
        done = decide(store, decision, clock())
        with store.read() as tx:
            skus = {one.number: one.sku for one in tx.rows("SELECT * FROM lines WHERE order_id = :id", id=row.id)}
    if json:
        show.document(
            {
                "push": done.push,
                "new": done.new,
                "order": row.id,
                "channel": row.channel,
                "number": row.number,
                "whole": done.whole,
                "lines": [{"line": n, "sku": skus.get(n, ""), "quantity": c} for n, c in done.units.items()],
                "recalled": dict(done.recalled),
                "asked_to_stop": sorted(done.asked_to_stop),
            }
        )
        return
    if not done.new:
        show.line(f"{reference} was decided already (push {done.push}); nothing changed")
        return
    told = ", ".join(f"{count} {skus.get(number) or f'of line {number}'}" for number, count in done.units.items())
    next_ = "its channel does not know it" if ours else f"{row.channel} is told next (push {done.push})"
    show.line(f"cancelled of order {name}: {told}; {next_}")
    for place, count in done.recalled.items():
        stopping = "its warehouse is asked to stop" if place in done.asked_to_stop else "tell it to stop"
        show.line(f"{place} was asked to send {count} of these already: {stopping}")
