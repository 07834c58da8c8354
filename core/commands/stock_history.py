"""`ordersync stock history`: what was, and what moved it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
import typer

from core.commands import given, show
from core.commands.given import Config, Json
from core.errors import UserError
from core.model import micros
from core.sync.channel import clock
from core.sync.history import Event, Past, at_instant, events


def register(group: typer.Typer) -> None:
    group.command("history")(history)


def history(
    sku: Annotated[str, typer.Argument(metavar="SKU", help="The item's SKU.")],
    at: Annotated[
        datetime | None,
        typer.Option("--at", metavar="TIME", formats=given.TIMES, help="As it was at this instant (UTC)."),
    ] = None,
    location: Annotated[str, typer.Option("--location", metavar="LOCATION", help="Only there.")] = "",
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=10_000, help="The newest so many.")] = 50,
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Show what moved an item and what channels took of it; with --at, what was held and told at an instant."""
    with given.opened(config) as (_, store):
        if at is None:
            found = events(store, sku, location=location, limit=limit)
            past = None
        else:
            found = []
            then = micros(given.in_utc(at))
            if then > clock():
                raise UserError(f"--at {at} is still to come; what is now, `ordersync stock show {sku}` tells")
            past = at_instant(store, sku, then, location=location)
    if past is not None:
        _tell_past(past, json)
    else:
        _tell_events(sku, found, json)


def _tell_past(past: Past, json: bool) -> None:
    if json:
        told = [{**msgspec.structs.asdict(one), "since": show.iso(one.since)} for one in past.told]
        since = show.iso(past.promises_since)
        show.document({**msgspec.structs.asdict(past), "at": show.iso(past.at), "told": told, "promises_since": since})
        return
    show.facts(
        {
            "at": show.clock_time(past.at),
            "on hand": past.on_hand,
            "reserved": past.reserved,
            "available": past.available,
            "on the way": past.on_the_way or None,
        },
        title=past.sku,
    )
    show.table(
        ("location", "on hand", "allocated"), [(one.location, one.on_hand, one.allocated) for one in past.places]
    )
    show.table(
        ("channel", "SKU", "place", "told", "since", "accepted for later"),
        [
            (one.channel, one.sku, one.place, one.units, show.clock_time(one.since), one.accepted)
            for one in past.told
        ],
    )  # fmt: skip
    if past.reserved is None:
        since = show.clock_time(past.promises_since)
        show.line(f"how promises moved is known {f'since {since}' if since else 'of nothing yet'} (history_days)")


def _tell_events(sku: str, found: list[Event], json: bool) -> None:
    if json:
        made: list[dict[str, Any]] = [{**msgspec.structs.asdict(one), "at": show.iso(one.at)} for one in found]
        show.document({"sku": sku, "events": made})
        return
    show.table(
        ("when", "what", "where", "on hand", "reserved", "allocated", "told", ""),
        [
            (show.clock_time(one.at), one.what, one.where, _signed(one.on_hand), _signed(one.reserved),
             _signed(one.allocated), one.told, one.note)
            for one in found
        ],
    )  # fmt: skip
    show.line(show.many(len(found), "event"))


def _signed(units: int) -> str:
    return f"{units:+}" if units else ""
