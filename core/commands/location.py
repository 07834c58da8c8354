"""`ordersync location …`: the places stock ships from, and a rest for one of them."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from core.commands import given, show
from core.commands.given import Config, Json
from core.model import Location
from core.routing.calendar import day_begins, ship_day, today
from core.settings import Settings
from core.store.database import Store
from core.sync import pauses
from core.sync.channel import clock

Name = Annotated[str, typer.Argument(metavar="LOCATION", help="A location of locations.toml.")]

_TODAY = """
SELECT COUNT(DISTINCT f.id) AS orders, COALESCE(SUM(w.quantity), 0) AS units FROM fulfilment_orders f
LEFT JOIN fulfilment_lines w ON w.fulfilment_order_id = f.id
WHERE f.location_id = :place AND f.created_at >= :since AND f.state NOT IN ('cancelled', 'rejected')
"""


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="The places stock ships from.", no_args_is_help=True)
    group.command("list")(listed)
    group.command("pause")(pause)
    group.command("resume")(resume)
    app.add_typer(group, name="location")


def listed(config: Config = given.FOLDER, json: Json = False) -> None:
    """List the locations: whether they are asked, what they were given today, when they ship next."""
    with given.opened(config) as (settings, store):
        given.write_places(store, settings)
        rows = _rows(store, settings, clock())
    if json:
        show.document({"locations": rows})
        return
    show.table(
        ("location", "state", "its date", "ships next", "orders", "of", "units", "of", "why"),
        [
            (row["location"], row["state"], row["today"], row["ships_next"], row["orders"], row["capacity_orders"],
             row["units"], row["capacity_units"], row["paused"])
            for row in rows
        ],
    )  # fmt: skip


def _rows(store: Store, settings: Settings, now: int) -> list[dict[str, Any]]:
    with store.read() as tx:
        known = {row.name: row for row in tx.rows("SELECT * FROM locations")}
        return [
            _row(place.as_location(), known[place.name], now, tx.row(
                _TODAY, place=known[place.name].id, since=day_begins(
                    place.as_location(), today(place.as_location(), now))))
            for place in settings.locations
        ]  # fmt: skip


def _row(place: Location, row: Any, now: int, given_today: Any) -> dict[str, Any]:
    state = "active" if place.active else "switched off"
    return {
        "location": place.name,
        "state": "paused" if row.paused and place.active else state,
        "paused": row.paused,
        "paused_at": show.iso(row.paused_at),
        "today": today(place, now).isoformat(),
        "ships_next": ship_day(place, now).isoformat(),
        "orders": int(given_today.orders),
        "capacity_orders": place.capacity_orders,
        "units": int(given_today.units),
        "capacity_units": place.capacity_units,
    }


def pause(
    location: Name,
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="For whoever asks why orders go elsewhere.")],
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Route nothing to a location for now. What it was asked for stays, and its stock is still offered."""
    with given.opened(config) as (settings, store):
        given.write_places(store, settings)
        changed = pauses.pause(store, location, why, "operator", clock())
    _tell(changed, f"{location} is paused; `ordersync location resume {location}` ends it", json)


def resume(location: Name, config: Config = given.FOLDER, json: Json = False) -> None:
    """Route to a paused location again; orders that waited for it go there in their channels' next turns."""
    with given.opened(config) as (settings, store):
        given.write_places(store, settings)
        changed = pauses.resume(store, location, "operator", clock())
    _tell(changed, f"{location} is asked again", json)


def _tell(changed: bool, words: str, json: bool) -> None:
    if json:
        show.document({"changed": changed})
    else:
        show.line(words if changed else "nothing changed; that is how it was already")
