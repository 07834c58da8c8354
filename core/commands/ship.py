"""`ordersync ship`: a parcel left."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
import typer

from core.commands import given, show
from core.commands.given import Config, Json, Order
from core.connector import Ability
from core.errors import UserError
from core.model import micros
from core.sync.channel import clock, desk_of
from core.sync.find import find_order
from core.sync.ship import Departure
from core.sync.ship import ship as book
from core.sync.short import Rest, Sent, ship_short


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
    short: Annotated[
        list[str] | None,
        typer.Option("--short", metavar="SKU=QTY", help="What the location was asked for, does not have and not send."),
    ] = None,
    rest: Annotated[Rest, typer.Option("--rest", help="What becomes of what is short.")] = Rest.REROUTE,
    service: Annotated[str, typer.Option("--service", metavar="TEXT", help="The carrier's service.")] = "",
    url: Annotated[str, typer.Option("--url", metavar="URL", help="Where the parcel can be followed.")] = "",
    at: Annotated[
        datetime | None,
        typer.Option("--at", metavar="TIME", formats=given.TIMES, help="When it left (UTC)."),
    ] = None,
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Book a parcel that left; its tracking is due at the channel at once. Booking it twice changes nothing.

    What it is --short of is asked of another location, backordered (it is not on the shelf), or cancelled.
    """
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
            short=given.quantities(short or []),
            service=service,
            tracking_url=url,
        )
        if departure.shipped_at > now:
            raise UserError(f"--at {at}: that is not over yet; book the parcel when it has left")
        sent = None
        if departure.short:
            sent = ship_short(
                store,
                departure,
                rest,
                now,
                desk=lambda tx, channel: desk_of(tx, settings, channel),
                unable=given.unable(settings, row.channel, Ability.CANCEL) if rest is Rest.CANCEL else "",
            )
            shipment, new = sent.shipment, sent.new
        else:
            shipment, new = book(store, departure, now)
    if json:
        document = {"shipment": shipment, "new": new, "order": row.id, "channel": row.channel, "number": row.number}
        show.document(document | ({"rest": _rest(sent, rest)} if sent is not None else {}))
        return
    if new:
        show.line(f"parcel {shipment} of order {row.name or row.number} is booked; {row.channel} is told of it next")
    else:
        show.line(f"parcel {shipment} of order {row.name or row.number} was booked already; nothing changed")
    if sent is not None:
        show.line(_told(sent, rest, location))


def _rest(sent: Sent, rest: Rest) -> dict[str, Any]:
    return {"rest": rest.value, "cancel_push": sent.cancelled, **msgspec.structs.asdict(sent.rest)}


def _told(sent: Sent, rest: Rest, location: str) -> str:
    done = sent.rest
    short = f"{location} was short of {sum(done.units.values())} units"
    if rest is Rest.CANCEL:
        return f"{short}: they are cancelled, and the channel is told next (push {sent.cancelled})"
    if rest is Rest.BACKORDER:
        return f"{short}: they are off its shelf; the order is asked of another location, or waits for stock"
    asked = ", ".join(f"{place} ({count})" for place, count in done.asked.items())
    waits = f"; {done.waits}" if done.waits else ""
    return f"{short}: " + (f"asked for by now: {asked}" if asked else "no other location is asked") + waits
