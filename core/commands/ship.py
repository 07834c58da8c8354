"""`ordersync ship`: a parcel left."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Annotated, Any

import msgspec
import typer

from core.commands import given, show
from core.commands.given import Config, Json, Order
from core.connector import Ability
from core.errors import UserError
from core.model import micros
from core.store.database import Store
from core.sync.channel import clock, desk_of
from core.sync.find import find_order
from core.sync.ship import Departure
from core.sync.ship import ship as book
from core.sync.short import Rest, Sent, ship_short

_DAY = 86_400_000_000
"""Microseconds. A day named without its time is its midnight, and clocks differ."""


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
        if departure.shipped_at < row.placed_at - _DAY:
            raise UserError(f"--at {at}: the order was placed on {show.clock_time(row.placed_at)}; say when it left")
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
        held = "" if new else _held(store, shipment, departure, row.name or row.number)
    if json:
        document = {"shipment": shipment, "new": new, "order": row.id, "channel": row.channel, "number": row.number}
        show.document(document | ({"rest": _rest(sent, rest)} if sent is not None else {}))
        return
    if new:
        show.line(f"parcel {shipment} of order {row.name or row.number} is booked; {row.channel} is told of it next")
    else:
        show.line(f"parcel {shipment} of order {row.name or row.number} was booked already{held}; nothing changed")
    if sent is not None:
        show.line(_told(sent, rest, location))


def _held(store: Store, shipment: int, said: Departure, order: str) -> str:
    """What a parcel holds that was booked before. Raises `UserError` where it is said to hold something else now."""
    with store.read() as tx:
        place = tx.value(
            "SELECT p.name FROM shipments s LEFT JOIN locations p ON p.id = s.location_id WHERE s.id = :id", id=shipment
        )
        rows = tx.rows(
            "SELECT l.number, l.sku, u.quantity FROM shipment_lines u JOIN lines l ON l.id = u.line_id"
            " WHERE u.shipment_id = :id ORDER BY l.id",
            id=shipment,
        )
    there = Counter({row.number: row.quantity for row in rows})
    for row in rows:
        there[row.sku] += row.quantity if row.sku != row.number else 0
    told = f"with {', '.join(f'{row.quantity} {row.sku}' for row in rows)}" + (f" from {place}" if place else "")
    other = any(there[name] != count for name, count in (said.units or {}).items())
    fewer = said.units is not None and sum(said.units.values()) != sum(row.quantity for row in rows)
    if not said.short and (other or fewer or place not in (None, said.location)):
        raise UserError(
            f"parcel {said.tracking.strip()} of order {order} was booked {told}, which is not what is said now; "
            "another parcel has another number, and one that never left is void (`ordersync void`)"
        )
    return f", {told}"


def _rest(sent: Sent, rest: Rest) -> dict[str, Any]:
    return {"rest": rest.value, "cancel_push": sent.cancelled, **msgspec.structs.asdict(sent.rest)}


def _told(sent: Sent, rest: Rest, location: str) -> str:
    done = sent.rest
    short = f"{location} was short of {show.many(sum(done.units.values()), 'unit')}"
    if rest is Rest.CANCEL:
        return f"{short}: they are cancelled, and the channel is told next (push {sent.cancelled})"
    if rest is Rest.BACKORDER:
        return f"{short}: they are off its shelf; the order is asked of another location, or waits for stock"
    asked = ", ".join(f"{place} ({count})" for place, count in done.asked.items())
    waits = f"; {done.waits}" if done.waits else ""
    return f"{short}: " + (f"asked for by now: {asked}" if asked else "no other location is asked") + waits
