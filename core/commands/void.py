"""`ordersync void`: a parcel never left. `ordersync keep`: units cancelled too late stay with the buyer."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from core.commands import given, show
from core.commands.given import Config, Json, Order
from core.connector import Ability, find
from core.sync.channel import clock
from core.sync.find import find_order
from core.sync.late import Keep
from core.sync.late import keep as leave
from core.sync.void import Void, settle
from core.sync.void import void as take_back

Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="Why; it stands on the order's timeline.")]


def register(app: typer.Typer) -> None:
    app.command("void")(void)
    app.command("keep")(keep)


def void(
    order: Order,
    tracking: Annotated[str, typer.Option("--tracking", metavar="NUMBER", help="The parcel's tracking number.")],
    why: Why,
    settled: Annotated[
        bool,
        typer.Option(
            "--settled", help="It is void already, and somebody has seen to it at the channel or the warehouse."
        ),
    ] = False,
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Take a parcel back that never left: its units are on hand and promised to the order again. Twice changes nothing.

    A channel that was told of it takes it back with its next round where it can be asked to; else the command says what
    to do there. A warehouse that may send the units once more is asked to stop.
    """
    with given.opened(config) as (settings, store):
        with store.read() as tx:
            row = find_order(tx, order)
        if settled:
            new = settle(store, Void(order_id=row.id, tracking=tracking, why=why), clock())
            _print_settled(row, tracking, new, json)
            return
        own = settings.channels.get(row.channel)
        able = own is not None and Ability.VOID_TRACKING in find(own.connector).abilities
        done = take_back(store, Void(order_id=row.id, tracking=tracking, why=why), clock(), takes_back=able)
        with store.read() as tx:
            skus = {one.number: one.sku for one in tx.rows("SELECT * FROM lines WHERE order_id = :id", id=row.id)}
    name = row.name or row.number
    if json:
        show.document(
            {
                "shipment": done.shipment,
                "new": done.new,
                "order": row.id,
                "channel": row.channel,
                "number": row.number,
                "location": done.location,
                "lines": [
                    {"line": n, "sku": skus.get(n, ""), "quantity": c, "cancelled": done.cancelled.get(n, 0)}
                    for n, c in done.units.items()
                ],
                "shown": done.shown,
                "push": done.push,
                "handed": done.handed,
                "stopping": done.stopping,
            }
        )
        return
    if not done.new:
        show.line(f"parcel {tracking} of order {name} was void already; nothing changed")
        return
    told = ", ".join(f"{count} {skus.get(number) or f'of line {number}'}" for number, count in done.units.items())
    show.line(f"parcel {tracking} of order {name} is void: {told} back at {done.location}")
    if done.handed and done.stopping:
        show.line(f"{done.location}'s warehouse may send it once more: it is asked to stop first")
    elif done.handed:
        show.line(f"{done.location}'s warehouse may send it once more: tell it to stop")
    if done.push is not None:
        show.line(f"{row.channel} was told of it: it is taken back there with the next round (push {done.push})")
    elif done.shown:
        show.line(
            f"{row.channel} was told of it: take it back there by hand where the channel lets you, or give the buyer "
            "the number of the parcel that leaves instead"
        )


def _print_settled(row: Any, tracking: str, new: bool, json: bool) -> None:
    if json:
        show.document({"new": new, "order": row.id, "channel": row.channel, "number": row.number, "settled": True})
    else:
        what = "is settled at the channel" if new else "was settled already; nothing changed"
        show.line(f"void parcel {tracking} of order {row.name or row.number} {what}")


def keep(
    order: Order,
    why: Why,
    line: Annotated[
        list[str] | None, typer.Option("--line", metavar="SKU=QTY", help="Only these; all undecided ones if not given.")
    ] = None,
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Leave units with the buyer that the channel cancelled after they had left. Moves no stock and no money.

    Where they are to come back instead, open a return for them; where the parcel never left, void it.
    """
    units = given.quantities(line or [])
    with given.opened(config) as (_, store):
        with store.read() as tx:
            row = find_order(tx, order)
            skus = {one.number: one.sku for one in tx.rows("SELECT * FROM lines WHERE order_id = :id", id=row.id)}
        kept = leave(store, Keep(order_id=row.id, why=why, units=units or None), clock())
    if json:
        show.document({"order": row.id, "channel": row.channel, "number": row.number, "lines": kept})
        return
    told = ", ".join(f"{count} {skus.get(number) or f'of line {number}'}" for number, count in kept.items())
    show.line(f"left with the buyer of order {row.name or row.number}: {told}")
