"""`ordersync stock traits`: what items need of a location, and what they weigh."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core.commands import given, show
from core.commands.given import Config, Json
from core.errors import UserError
from core.sync.channel import clock
from core.sync.traits import Traits, read_csv, set_traits


def register(group: typer.Typer) -> None:
    group.command("traits")(traits)


def traits(
    sku: Annotated[str | None, typer.Argument(metavar="SKU", help="The item's SKU.")] = None,
    needs: Annotated[
        list[str] | None,
        typer.Option("--needs", metavar="CAPABILITY", help="What a location must be able to handle: hazmat, cold …"),
    ] = None,
    needs_nothing: Annotated[bool, typer.Option("--needs-nothing", help="Any location will do.")] = False,
    weight: Annotated[
        int | None, typer.Option("--weight", metavar="GRAMS", min=0, help="What a unit weighs, in grams.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="CSV", help="Many at once: columns sku, needs (spaces between) and weight."),
    ] = None,
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Say what an item needs of a location and what it weighs. A kit needs and weighs what its components do."""
    if (file is None) == (sku is None):
        raise UserError("write SKU with --needs or --weight, or --file CSV")
    if needs and needs_nothing:
        raise UserError("--needs and --needs-nothing at once; give one of the two")
    if file is not None:
        if needs or needs_nothing or weight is not None:
            raise UserError("--file says it all; leave the other options out")
        wanted = read_csv(file)
    else:
        if not needs and not needs_nothing and weight is None:
            raise UserError("nothing to set; write --needs CAPABILITY, --needs-nothing or --weight GRAMS")
        wanted = {sku or "": Traits(() if needs_nothing else tuple(needs) if needs else None, weight)}
    with given.opened(config) as (_, store):
        changed = set_traits(store, wanted, "operator", clock())
    if json:
        show.document({"changed": changed})
    else:
        show.line(f"{show.many(changed, 'item')} changed" if changed else "nothing changed; that is how it was already")
