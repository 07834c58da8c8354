"""`ordersync reject` and `ordersync reroute`: work that a location does not do is routed anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import typer

from core.commands import given, show
from core.commands.given import Config, Json, Order
from core.settings import Settings
from core.store.database import Store, Tx
from core.sync import reject as rejecting
from core.sync.channel import Desk, clock, desk_of
from core.sync.find import find_order
from core.sync.reject import Rerouted

Why = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for the order's timeline.")]


def register(app: typer.Typer) -> None:
    app.command("reject")(reject)
    app.command("reroute")(reroute)


def reject(
    order: Order,
    location: Annotated[str, typer.Option("--location", metavar="LOCATION", help="Who cannot send it.")],
    reason: Why,
    line: Annotated[
        list[str] | None,
        typer.Option("--line", metavar="SKU=QTY", help="What it cannot send; all it was asked for if not given."),
    ] = None,
    reference: given.Reference = "",
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """A location cannot send what it was asked for: the order is routed again without it. Saying it twice is once."""
    units = given.quantities(line or [])
    with given.opened(config) as (settings, store):
        given.write_places(store, settings)
        row = _find(store, order)
        done = rejecting.reject_at(
            store, row.id, location, units or None, reason, "operator", clock(), reference=reference,
            desk=_desks(settings),
        )  # fmt: skip
    _tell(done, row.name or row.number, json)


def reroute(
    order: Order,
    away_from: Annotated[
        str, typer.Option("--away-from", metavar="LOCATION", help="Only its work, and it is not asked again.")
    ] = "",
    allow: Annotated[
        list[str] | None,
        typer.Option("--allow", metavar="LOCATION", help="It was left out of this order, and may be asked again."),
    ] = None,
    recall: Annotated[
        bool, typer.Option("--recall", help="Released work too: you have told the location to stop.")
    ] = False,
    reason: Why = "",
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Take an order's planned work back and route it anew, by today's rules, stock and locations."""
    with given.opened(config) as (settings, store):
        given.write_places(store, settings)
        row = _find(store, order)
        done = rejecting.reroute(
            store, row.id, "operator", clock(), away_from=away_from, allow=allow or (), recall=recall, why=reason,
            desk=_desks(settings),
        )  # fmt: skip
    _tell(done, row.name or row.number, json)


def _find(store: Store, order: str) -> Any:
    with store.read() as tx:
        return find_order(tx, order)


def _desks(settings: Settings) -> Callable[[Tx, str], Desk | None]:
    return lambda tx, channel: desk_of(tx, settings, channel)


def _tell(done: Rerouted, name: str, json: bool) -> None:
    if json:
        show.document(msgspec.structs.asdict(done))
        return
    if not done.new:
        show.line(f"that of order {name} was said already; nothing changed")
    back = sum(done.units.values())
    if done.new:
        show.line(f"{show.many(back, 'unit')} of order {name} taken back" if back else f"order {name} looked at anew")
    for location, units in done.asked.items():
        show.line(f"{location} is asked for {units}")
    if done.waits:
        show.line(f"the rest waits for a location: {done.waits}")
    if done.backordered:
        show.line(f"{show.many(done.backordered, 'unit')} {'waits' if done.backordered == 1 else 'wait'} for stock")
