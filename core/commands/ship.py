"""`ordersync ship`: a parcel left."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from core.commands import given, show
from core.commands.given import Config, Json, Order
from core.errors import UserError
from core.model import micros
from core.sync.channel import clock
from core.sync.find import find_order
from core.sync.ship import Departure
from core.sync.ship import ship as book


def register(app: typer.Typer) -> None:
    app.command("ship")(ship)


def ship(
    order: Order,
    location: Annotated[str, typer.Option("--location", metavar="LOCATION", help="Where it left.")],
    carrier: Annotated[str, typer.Option("--carrier", metavar="CARRIER", help="Who carries it: UPS, USPS, FedEx …")],
    tracking: Annotated[str, typer.Option("--tracking", metavar="NUMBER", help="Its tracking number.")],
    line: Annotated[
        list[str] | None,
        typer.Option("--line", metavar="SKU=QTY", help="What is in it; all the location was asked for if not given."),
    ] = None,
    service: Annotated[str, typer.Option("--service", metavar="TEXT", help="The carrier's service.")] = "",
    url: Annotated[str, typer.Option("--url", metavar="URL", help="Where the parcel can be followed.")] = "",
    at: Annotated[
        datetime | None,
        typer.Option("--at", metavar="TIME", formats=given.TIMES, help="When it left (UTC)."),
    ] = None,
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Book a parcel that left; its tracking is due at the channel at once. Booking it twice changes nothing."""
    units = given.quantities(line or [])
    with given.opened(config) as (settings, store):
        given.write_places(store, settings)
        now = clock()
        with store.read() as tx:
            row = find_order(tx, order)
        departure = Departure(
            order_id=row.id,
            location=location,
            carrier=carrier,
            tracking=tracking,
            shipped_at=now if at is None else micros(given.in_utc(at)),
            units=units or None,
            service=service,
            tracking_url=url,
        )
        if departure.shipped_at > now:
            raise UserError(f"--at {at}: that is not over yet; book the parcel when it has left")
        shipment, new = book(store, departure, now)
    if json:
        show.document({"shipment": shipment, "new": new, "order": row.id, "channel": row.channel, "number": row.number})
    elif new:
        show.line(f"parcel {shipment} of order {row.name or row.number} is booked; {row.channel} is told of it next")
    else:
        show.line(f"parcel {shipment} of order {row.name or row.number} was booked already; nothing changed")
