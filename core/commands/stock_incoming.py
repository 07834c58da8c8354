"""`ordersync stock expect`, `transfer`, `incoming` and `cancel`: what is to come, and what moves about."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Annotated, Any

import msgspec
import typer

from core.commands import given, show
from core.commands.given import Config, Json
from core.errors import UserError
from core.model import instant, micros
from core.sync.call_off import call_off
from core.sync.channel import clock
from core.sync.incoming import Expected, expect, incoming
from core.sync.transfer import transfer

_DAY_ENDS = time(23, 59, 59, tzinfo=UTC)

Eta = Annotated[
    str, typer.Option("--eta", metavar="DATE", help="When it is to come: a day (its end, in UTC) or an instant.")
]


def register(group: typer.Typer) -> None:
    group.command("expect")(expected)
    group.command("transfer")(transferred)
    group.command("incoming")(shown)
    group.command("cancel")(cancelled)


def expected(
    sku: Annotated[str, typer.Argument(metavar="SKU", help="The item's SKU.")],
    quantity: Annotated[int, typer.Argument(metavar="QTY", min=1, help="Units, all told.")],
    at: Annotated[str, typer.Option("--at", metavar="LOCATION", help="Where they are to come.")],
    ref: Annotated[str, typer.Option("--ref", metavar="TEXT", help="Your purchase order.")],
    eta: Eta = "",
    title: Annotated[str, typer.Option("--title", metavar="TEXT", help="What people call the item.")] = "",
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="Why, or from whom.")] = "",
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Units are ordered and will come to a location. Said again with the same --ref, date and quantity are replaced."""
    due = due_at(eta)
    with given.opened(config) as (settings, store):
        given.write_places(store, settings)
        found = expect(store, sku, at, quantity, ref, clock(), eta=due, title=title, note=note)
    tell([found], json)


def transferred(
    sku: Annotated[str, typer.Argument(metavar="SKU", help="The item's SKU.")],
    quantity: Annotated[int, typer.Argument(metavar="QTY", min=1, help="Units.")],
    from_: Annotated[str, typer.Option("--from", metavar="LOCATION", help="Where they leave.")],
    to: Annotated[str, typer.Option("--to", metavar="LOCATION", help="Where they go.")],
    eta: Eta = "",
    ref: Annotated[
        str, typer.Option("--ref", metavar="TEXT", help="Yours: the same one moves them once, however often given.")
    ] = "",
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="Why, for the ledger.")] = "",
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Units move between locations: at once, or with --eta on a journey that ends with `stock receive --ref`."""
    due = due_at(eta)
    with given.opened(config) as (settings, store):
        given.write_places(store, settings)
        done = transfer(store, sku, quantity, from_, to, clock(), eta=due, reference=ref, note=note)
    if json:
        way = None if done.on_the_way is None else told(done.on_the_way)
        show.document({**msgspec.structs.asdict(done), "on_the_way": way})
        return
    show.table(
        ("SKU", "units", "from", "to", "left there", ""),
        [(done.sku, done.quantity, done.from_location, done.to_location, done.left_there,
          "" if done.new else "booked before")],
    )  # fmt: skip
    if done.on_the_way is not None and done.on_the_way.state == "open":
        one = done.on_the_way
        show.line(
            f"on its way until {day(one.eta)}; as it arrives: "
            f"ordersync stock receive {one.sku} {one.location} {one.left} --ref {one.reference}"
        )


def shown(
    skus: Annotated[list[str] | None, typer.Argument(metavar="[SKU]...", help="Items; all when none is named.")] = None,
    closed: Annotated[bool, typer.Option("--all", help="Also what came already, or was cancelled.")] = False,
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Show what is to come, ordered and on its way between locations, the soonest first."""
    with given.opened(config) as (_, store):
        found = incoming(store, skus or [], now=clock(), closed=closed)
    tell(found, json)
    if not json:
        show.line(f"{show.many(sum(one.left for one in found), 'unit')} to come")


def cancelled(
    ref: Annotated[str, typer.Argument(metavar="REF", help="What it is expected as.")],
    sku: Annotated[str, typer.Option("--sku", metavar="SKU", help="Only this item of it.")] = "",
    at: Annotated[str, typer.Option("--at", metavar="LOCATION", help="Only what was to come there.")] = "",
    lost: Annotated[bool, typer.Option("--lost", help="Of a transfer: the units are nowhere.")] = False,
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """What is left of an order or a transfer does not come. Units on a transfer are on hand again where they left."""
    with given.opened(config) as (_, store):
        found = call_off(store, ref, clock(), sku=sku, location=at, lost=lost)
    tell(found, json)


def due_at(eta: str) -> int | None:
    """A day or an instant as microseconds since 1970 UTC; None where none is given. Raises `UserError`."""
    if not eta:
        return None
    try:
        return micros(datetime.combine(date.fromisoformat(eta), _DAY_ENDS))
    except ValueError:
        pass
    try:
        return micros(given.in_utc(datetime.fromisoformat(eta)))
    except ValueError:
        raise UserError(f"{eta!r} is no date; write 2026-12-01 or 2026-12-01T15:00:00+01:00") from None


def tell(found: list[Expected], json: bool) -> None:
    if json:
        show.document({"incoming": [told(one) for one in found]})
        return
    show.table(
        ("ref", "SKU", "to", "units", "received", "left", "expected", "from", "note"),
        [
            (one.reference, one.sku, one.location, one.quantity, one.received, _left(one), day(one.eta, one.overdue),
             one.from_location or one.source, one.note)
            for one in found
        ],
    )  # fmt: skip


def told(one: Expected) -> dict[str, Any]:
    return {**msgspec.structs.asdict(one), "eta": show.iso(one.eta)}


def day(eta: int | None, overdue: bool = False) -> str | None:
    """An expected instant for people: a day where it is the whole day."""
    if eta is None:
        return None
    at = instant(eta)
    text = f"{at:%Y-%m-%d}" if at.timetz() == _DAY_ENDS else f"{at:%Y-%m-%d %H:%M}Z"
    return f"{text}, overdue" if overdue else text


def _left(one: Expected) -> int | str:
    return one.left if one.state == "open" else one.state
