"""`ordersync stock …`: what is on the shelves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from core.commands import given, show, stock_ahead, stock_cost, stock_history, stock_incoming, stock_traits
from core.commands.given import Config, Json
from core.errors import UserError
from core.store.database import Store
from core.sync import stock
from core.sync.channel import clock
from core.sync.kits import define_kit
from core.sync.rename import rename_item
from core.sync.stock import Booking
from core.sync.stock_files import import_csv, import_kits
from core.sync.stock_shown import Shown
from core.sync.stock_shown import show as stand
from core.sync.take_back import TakenBack

Sku = Annotated[str, typer.Argument(metavar="SKU", help="The item's SKU.")]
OneSku = Annotated[str | None, typer.Argument(metavar="SKU", help="The item's SKU.")]
Location = Annotated[str | None, typer.Argument(metavar="LOCATION", help="A location of locations.toml.")]
Quantity = Annotated[int | None, typer.Argument(metavar="QTY", min=0, help="Units.")]
Title = Annotated[str, typer.Option("--title", metavar="TEXT", help="What people call the item.")]
Reference = Annotated[
    str, typer.Option("--reference", metavar="TEXT", help="Yours: the same one is booked once, however often given.")
]
Note = Annotated[str, typer.Option("--note", metavar="TEXT", help="Why, for the ledger.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="What is on the shelves.", no_args_is_help=True)
    group.command("show")(shown)
    group.command("receive")(receive)
    group.command("set")(set_on_hand)
    group.command("adjust", context_settings={"ignore_unknown_options": True})(adjust)
    group.command("count")(count)
    stock_incoming.register(group)
    stock_history.register(group)
    stock_ahead.register(group)
    stock_cost.register(group)
    stock_traits.register(group)
    group.command("kit")(kit)
    group.command("rename")(renamed)
    app.add_typer(group, name="stock")


def shown(
    skus: Annotated[list[str] | None, typer.Argument(metavar="[SKU]...", help="Items; all when none is named.")] = None,
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Show on hand, reserved and available, in all and at each location."""
    with given.opened(config) as (_, store):
        found = stand(store, skus or [])
    if json:
        show.document({"stock": [_told(item) for item in found]})
    else:
        show.table(
            ("SKU", "location", "on hand", "reserved", "allocated", "available", "title"),
            [row for item in found for row in _rows(item)],
        )
        show.line(show.many(len(found), "item"))


def _told(item: Shown) -> dict[str, Any]:
    own = [{**msgspec.structs.asdict(at), "read_at": show.iso(at.read_at)} for at in item.elsewhere]
    return {**msgspec.structs.asdict(item), "elsewhere": own}


def _rows(item: Shown) -> list[tuple[str | int | None, ...]]:
    parts = ", ".join(f"{units} {sku}" for sku, units in item.components.items())
    total = (
        item.sku,
        f"kit: {parts}" if parts else "all",
        item.on_hand,
        item.reserved,
        None,
        item.available,
        item.title,
    )
    places = [("", at.location, at.on_hand, None, at.allocated, at.available, "") for at in item.places]
    own = [("", f"{at.channel}'s own", at.on_hand, None, None, at.available, "") for at in item.elsewhere]
    return [total, *places, *own]


def receive(
    sku: OneSku = None,
    location: Location = None,
    quantity: Quantity = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="CSV", help="A delivery of many: columns sku, location, quantity (and title)."),
    ] = None,
    ref: Annotated[
        str, typer.Option("--ref", metavar="TEXT", help="What it was expected as; any number of deliveries may follow.")
    ] = "",
    over: Annotated[bool, typer.Option("--over", help="Take more than was expected; else that is refused.")] = False,
    title: Title = "",
    reference: Reference = "",
    note: Note = "",
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Units came to a location, or many by a file: all of it is booked, or nothing. An unknown SKU becomes an item."""
    if over and not ref:
        raise UserError("--over without --ref; name what was expected")
    more: dict[str, Any] = {"reference": reference, "expected": ref, "over": over, "note": note}
    with _booked(config, json) as (store, done):
        if file is not None:
            done(_from_file(store, file, "receive", sku or title, **more))
        else:
            sku, location, quantity = _named(sku, location, quantity, "to receive")
            done(stock.receive(store, sku, location, quantity, clock(), title=title, **more))


def set_on_hand(
    sku: OneSku = None,
    location: Location = None,
    quantity: Quantity = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="CSV", help="Many at once: columns sku, location, quantity (and title)."),
    ] = None,
    title: Title = "",
    reference: Reference = "",
    note: Note = "",
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Set on hand at a location, or at many from a file: all of it is booked, or nothing."""
    more: dict[str, Any] = {"reference": reference, "note": note}
    with _booked(config, json) as (store, done):
        if file is not None:
            done(_from_file(store, file, "set", sku or title, **more))
        else:
            sku, location, quantity = _named(sku, location, quantity, "to set")
            done(stock.set_on_hand(store, sku, location, quantity, clock(), title=title, **more))


def adjust(
    sku: OneSku = None,
    location: Location = None,
    change: Annotated[str | None, typer.Argument(metavar="CHANGE", help="More or less units: 3, +3 or -3.")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="CSV", help="Many at once: columns sku, location and change.")
    ] = None,
    reference: Reference = "",
    note: Note = "",
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Units more or less of a known item, or of many from a file: found, broken, lost."""
    more: dict[str, Any] = {"reference": reference, "note": note}
    digits = change[1:] if change and change[0] in "+-" else change or ""
    if change is not None and (not (digits.isascii() and digits.isdigit()) or len(digits) > 10):
        raise UserError(f"{change!r} is no number of units; write for example 3 or -3")
    units = None if change is None else int(change)
    with _booked(config, json) as (store, done):
        if file is not None:
            done(_from_file(store, file, "adjust", sku, **more))
        else:
            sku, location, units = _named(sku, location, units, "to adjust", "CHANGE")
            done(stock.adjust(store, sku, location, units, clock(), **more))


def count(
    sku: OneSku = None,
    location: Location = None,
    quantity: Quantity = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="CSV", help="Many at once: columns sku, location and quantity.")
    ] = None,
    reference: Reference = "",
    note: Note = "",
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Somebody counted an item, or many in a file: so many units are there, the promised ones included."""
    more: dict[str, Any] = {"reference": reference, "note": note}
    with _booked(config, json) as (store, done):
        if file is not None:
            done(_from_file(store, file, "count", sku, **more))
        else:
            sku, location, quantity = _named(sku, location, quantity, "to count")
            done(stock.count(store, sku, location, quantity, clock(), **more))


def _from_file(store: Store, file: Path, kind: str, beside: str | None, **more: Any) -> Booking:
    """All that a file says; `beside`: what was named on the command line as well."""
    if beside:
        raise UserError(f"--file and {beside!r} at once; give one of the two")
    with show.progress() as bars:
        bars.add_task(f"booking {file.name}", total=None, told="")
        return import_csv(store, file, clock(), kind=kind, **more)


def _named(
    sku: str | None, location: str | None, units: int | None, what: str, called: str = "QTY"
) -> tuple[str, str, int]:
    if sku is None or location is None or units is None:
        raise UserError(f"nothing {what}; write SKU LOCATION {called}, or --file CSV")
    return sku, location, units


def kit(
    sku: Annotated[str | None, typer.Argument(metavar="SKU", help="The kit's SKU.")] = None,
    components: Annotated[
        list[str] | None, typer.Argument(metavar="[COMPONENT=QTY]...", help="What one of it is made of.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="CSV", help="Many at once: columns kit, component and quantity.")
    ] = None,
    title: Title = "",
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Say what a kit is made of. It is sold as one and taken from stock as its components."""
    if (file is None) == (sku is None):
        raise UserError("write SKU COMPONENT=QTY…, or --file CSV")
    with given.opened(config) as (_, store):
        if file is not None:
            changed = import_kits(store, file)
        else:
            changed = int(define_kit(store, sku or "", given.quantities(components or []), title=title))
    if json:
        show.document({"changed": changed})
    else:
        show.line(f"{show.many(changed, 'kit')} changed" if changed else "nothing changed; that is what it was already")


def renamed(
    sku: Sku,
    new: Annotated[str, typer.Argument(metavar="NEW-SKU", help="What it is called from now on.")],
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Give an item another SKU. Stock, orders and listings stay with it; channels go on calling it what they do."""
    with given.opened(config) as (_, store):
        channels = rename_item(store, sku, new, clock())
    if json:
        show.document({"sku": new, "was": sku, "channels": channels})
    else:
        also = f"; {', '.join(channels)} still call it {sku}" if channels else ""
        show.line(f"{sku} is {new}{also}")


@contextmanager
def _booked(config: Path, json: bool) -> Iterator[tuple[Store, Callable[[Booking], None]]]:
    """The store with its locations known, and what tells of the booking."""
    with given.opened(config) as (settings, store):
        given.write_places(store, settings)
        yield store, lambda booking: _tell(booking, json)


def _tell(booking: Booking, json: bool) -> None:
    if json:
        show.document(booking)
        return
    show.table(
        ("SKU", "location", "was", "on hand", ""),
        [
            (
                moved.sku,
                moved.location,
                moved.was,
                moved.on_hand,
                "" if moved.new else "booked before",
            )
            for moved in booking.moved
        ],
    )
    for lost in booking.taken_back:
        show.line(f"taken back: {_lost(lost)}")


def _lost(lost: TakenBack) -> str:
    wait = "waits" if lost.backordered == 1 else "wait"
    words = [f"{show.many(lost.backordered, 'unit')} {wait} for stock again"] if lost.backordered else []
    words += (
        [f"{show.many(lost.unbound, 'unit')} lost {'its' if lost.unbound == 1 else 'their'} location"]
        if (lost.unbound)
        else []
    )
    by_hand = lost.recalled - lost.stopping
    words += [f"{by_hand} of them had been asked for already: tell the location"] if by_hand else []
    words += [f"{lost.stopping} of them had been asked for: the warehouse is asked to stop"] if lost.stopping else []
    return f"order {lost.name} of {lost.channel}: {'; '.join(words)} (`ordersync order {lost.order_id}`)"
