"""`ordersync aside …`: units in quarantine and damaged ones, which are nobody's to sell."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Annotated

import typer

from core.commands import given, show
from core.commands.given import Config, Json, Reference
from core.sync.aside import Condition, Going, let_go, standing
from core.sync.channel import clock

Units = Annotated[list[str], typer.Argument(metavar="SKU=QTY...", help="Units by SKU.")]
At = Annotated[str, typer.Option("--at", metavar="LOCATION", help="Where they stand.")]
In = Annotated[Condition, typer.Option("--condition", help="How they stand there.")]
Note = Annotated[str, typer.Option("--note", metavar="TEXT", help="Why; it stands with the movement.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Units set aside: returned, and in quarantine or damaged. They are not on hand.")
    group.command("list")(list_)
    group.command("release")(release)
    group.command("dispose")(dispose)
    app.add_typer(group, name="aside")


def list_(config: Config = given.FOLDER, json: Json = False) -> None:
    """List what stands aside."""
    with given.opened(config) as (_, store):
        found = standing(store)
    if json:
        words = ("sku", "location", "condition", "units")
        show.document(
            {"aside": [{**{w: getattr(one, w) for w in words}, "since": show.iso(one.since)} for one in found]}
        )
        return
    show.table(
        ("SKU", "location", "condition", "units", "since"),
        [(one.sku, one.location, one.condition, one.units, show.clock_time(one.since)) for one in found],
    )
    total = sum(one.units for one in found)
    show.line(f"{show.many(total, 'unit')} {'stands' if total == 1 else 'stand'} aside")


def release(
    units: Units,
    at: At,
    condition: In = Condition.QUARANTINE,
    note: Note = "",
    reference: Reference = "",
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """They are in order: put them on the shelf there, for sale again."""
    _go("release", units, at, condition, note, reference, (config, json))


def dispose(
    units: Units,
    at: At,
    condition: In = Condition.DAMAGED,
    note: Note = "",
    reference: Reference = "",
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """They are gone: thrown away, or sent back to whoever made them."""
    _go("dispose", units, at, condition, note, reference, (config, json))


def _go(
    kind: str, units: Sequence[str], at: str, condition: Condition, note: str, reference: str, how: tuple[Config, bool]
) -> None:
    config, json = how
    going = [
        Going(sku=sku, location=at, units=count, condition=condition.value, kind=kind)
        for sku, count in given.quantities(units).items()
    ]
    with given.opened(config) as (_, store):
        new = let_go(store, going, clock(), reference=reference or uuid.uuid4().hex, note=note)
    said = ", ".join(f"{one.units} {one.sku}" for one in going)
    if json:
        rows = [{"sku": one.sku, "units": one.units} for one in going]
        show.document({"new": new, "kind": kind, "location": at, "condition": condition.value, "units": rows})
    elif not new:
        show.line(f"{reference} was booked already; nothing changed")
    else:
        show.line(f"{said} {'on hand' if kind == 'release' else 'gone'} at {at} ({condition.value})")
