"""`ordersync levels …`: what channels are told, and why."""

from __future__ import annotations

from typing import Annotated

import typer

from core.commands import given, show
from core.commands.given import Channel, Config, Json
from core.sync.channel import clock
from core.sync.levels_explained import Explained, explain


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="What channels are told, and why.", no_args_is_help=True)
    group.command("explain")(explained)
    group.callback()(_several)
    app.add_typer(group, name="levels")


def _several() -> None:
    """What channels are told, and why."""


def explained(
    channel: Channel,
    sku: Annotated[str, typer.Argument(metavar="SKU", help="As the channel names it.")],
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Show every number that makes a listing's level, from the shelves to what the channel has taken."""
    with given.opened(config) as (settings, store):
        (name,) = given.chosen(settings, [channel])
        found = explain(store, settings.channels, name, sku, clock())
    if json:
        show.document(found)
        return
    show.table(
        ("item", "location", "place", "on hand", "allocated", "for its counter", "spare here"),
        [
            (one.sku, one.location, one.place, one.on_hand, one.allocated, one.counter, one.spare)
            for one in found.shelves
        ],
    )
    show.table(
        ("item", "per unit", "reserved", "no location yet", "ahead", "buffer", "because"),
        [(one.sku, one.per, one.reserved, one.unbound, one.ahead, one.buffer, one.why) for one in found.kept],
    )
    show.line(_rules(found))
    show.table(
        ("place", "comes to", "desired", "told", "state", ""),
        [(one.place, one.units, one.desired, one.told, one.state, one.reason) for one in found.offers],
    )
    if found.touched:
        show.line("the stock has moved: its levels are computed in the next turn")


def _rules(found: Explained) -> str:
    if found.stopped:
        return "stopped: nothing of it is offered (`ordersync listings rule … --no-stop` offers it again)"
    said = f"then at most {found.cap}" if found.cap is not None else "no cap"
    said += f", then {found.percent} % of it"
    return said + (f"; its own: {', '.join(found.own)}" if found.own else "")
