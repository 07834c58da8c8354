"""`ordersync stock preorder`, `backorder` and `ahead`: what may be sold although it is not there."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec
import typer

from core.commands import given, show
from core.commands.given import Config, Json
from core.errors import UserError
from core.model import micros
from core.sync import presale
from core.sync.channel import clock
from core.sync.presale import Presale

Sku = Annotated[str, typer.Argument(metavar="SKU", help="The item's SKU.")]
Off = Annotated[bool, typer.Option("--off", help="End it.")]


class Ships(StrEnum):
    """When a pre-order ships."""

    DATE = "date"
    STOCK = "stock"


def register(group: typer.Typer) -> None:
    group.command("preorder")(preorder)
    group.command("backorder")(backorder)
    group.command("ahead")(ahead)


def preorder(
    sku: Sku,
    until: Annotated[
        datetime | None,
        typer.Option("--until", metavar="TIME", formats=given.TIMES, help="The day it ships, or is over (UTC)."),
    ] = None,
    cap: Annotated[
        int | None,
        typer.Option("--cap", metavar="N", min=0, help="At most so many; nothing more is offered if not given."),
    ] = None,
    ships: Annotated[
        Ships, typer.Option("--ships", help="date: not before its day. stock: as soon as its units are there.")
    ] = Ships.DATE,
    title: Annotated[str, typer.Option("--title", metavar="TEXT", help="What people call the item.")] = "",
    off: Off = False,
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Sell an item before it is there: its orders are held until its day, or until its units have come."""
    if off == (until is not None):
        raise UserError("say --until TIME to open a pre-order, or --off to end it")
    with given.opened(config) as (_, store):
        if until is None:
            presale.end(store, sku, "preorder", clock())
            _ended(sku, "preorder", json)
            return
        end = micros(given.in_utc(until))
        found = presale.preorder(store, sku, end, clock(), cap=cap, ships=ships.value, title=title)
    _tell([found], json)


def backorder(
    sku: Sku,
    cap: Annotated[int | None, typer.Option("--cap", metavar="N", min=0, help="At most so many.")] = None,
    off: Off = False,
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Go on selling an item that is out of stock, up to so many units that wait."""
    if off == (cap is not None):
        raise UserError("say --cap N to open it, or --off to end it")
    with given.opened(config) as (_, store):
        if cap is None:
            presale.end(store, sku, "backorder", clock())
            _ended(sku, "backorder", json)
            return
        found = presale.backorder(store, sku, cap, clock())
    _tell([found], json)


def ahead(config: Config = given.FOLDER, json: Json = False) -> None:
    """List what may be sold although it is not there."""
    with given.opened(config) as (_, store):
        found = presale.shown(store)
    _tell(found, json)


def _ended(sku: str, kind: str, json: bool) -> None:
    if json:
        show.document({"sku": sku, "kind": kind, "open": False})
    else:
        show.line(f"the {kind} of {sku} is over")


def _tell(found: list[Presale], json: bool) -> None:
    if json:
        show.document({"ahead": [{**msgspec.structs.asdict(one), "until": show.iso(one.until)} for one in found]})
        return
    show.table(
        ("SKU", "sold as", "until", "ships by", "cap", "promised", "ahead"),
        [
            (one.sku, one.kind, show.clock_time(one.until), one.ships if one.until else None, one.cap, one.promised,
             one.ahead)
            for one in found
        ],
    )  # fmt: skip
    show.line(f"{show.many(len(found), 'item')} sold ahead")
