"""`ordersync hold` and `ordersync release`: an order waits because somebody says so, or waits no more."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from core.commands import given, show
from core.commands.given import Config, Json, Order
from core.model import Hold, micros
from core.sync import holds
from core.sync.channel import clock
from core.sync.find import find_order


def register(app: typer.Typer) -> None:
    app.command("hold")(hold)
    app.command("release")(release)


def hold(
    order: Order,
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="Why; it stands on the order's timeline.")],
    until: Annotated[
        datetime | None,
        typer.Option("--until", metavar="TIME", formats=given.TIMES, help="It lifts by itself then (UTC)."),
    ] = None,
    recall: Annotated[
        bool, typer.Option("--recall", help="Ask back, too, what a location was asked to send and has not sent.")
    ] = False,
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Hold an order: it keeps its stock, and nothing more of it is released. Said again, it has the new reason."""
    with given.opened(config) as (_, store):
        with store.read() as tx:
            row = find_order(tx, order)
        end = None if until is None else micros(given.in_utc(until))
        done = holds.hold(store, row.id, why, clock(), until=end, recall=recall)
    if json:
        show.document({"order": row.id, "channel": row.channel, "number": row.number, "until": show.iso(end),
                       "new": done.new, "recalled": done.recalled, "asked": done.asked})  # fmt: skip
        return
    ends = f" until {show.clock_time(end)}" if end is not None else ""
    show.line(f"order {row.name or row.number} is held{ends}" + ("" if done.new else "; it was held before"))
    for place, count in done.recalled.items():
        stopping = "its warehouse is asked to stop" if place in done.asked_to_stop else "tell it to stop"
        show.line(f"{place} was asked to send {count} of it already: {stopping}")
    for place, count in done.asked.items():
        show.line(f"{place} was asked to send {count} of it already, and may: to ask them back, add --recall")


def release(
    order: Order,
    hold: Annotated[Hold | None, typer.Option("--hold", help="Which hold; the operator's if not given.")] = None,
    why: Annotated[
        str, typer.Option("--why", metavar="TEXT", help="Why it may ship; asked for where the channel holds it.")
    ] = "",
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Lift a hold. One of the channel's is set aside, and not set again as long as the channel goes on saying it."""
    with given.opened(config) as (_, store):
        with store.read() as tx:
            row = find_order(tx, order)
        done = holds.lift(store, row.id, hold, clock(), why=why)
    if json:
        show.document({"order": row.id, "channel": row.channel, "number": row.number,
                       "lifted": done.lifted, "still": done.still})  # fmt: skip
        return
    still = f"; it is still held for {', '.join(done.still)}" if done.still else ""
    show.line(f"order {row.name or row.number} is held for {done.lifted} no more{still}")
