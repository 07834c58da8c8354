"""`ordersync correct`: a parcel's tracking number or carrier was wrong."""

from __future__ import annotations

from typing import Annotated

import typer

from core.commands import given, show
from core.commands.given import Config, Json, Order
from core.connector import Ability
from core.errors import UserError
from core.sync.channel import clock
from core.sync.correct import Correction
from core.sync.correct import correct as book
from core.sync.find import find_order


def register(app: typer.Typer) -> None:
    app.command("correct")(correct)


def correct(
    order: Order,
    was: Annotated[str, typer.Argument(metavar="TRACKING", help="The number the parcel has here.")],
    tracking: Annotated[str | None, typer.Option("--tracking", metavar="NUMBER", help="Its right number.")] = None,
    carrier: Annotated[str | None, typer.Option("--carrier", metavar="CARRIER", help="Its right carrier.")] = None,
    service: Annotated[str | None, typer.Option("--service", metavar="TEXT", help="The carrier's service.")] = None,
    url: Annotated[str | None, typer.Option("--url", metavar="URL", help="Where it can be followed.")] = None,
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Correct how a parcel is told: the same parcel, never a second one. Also mends one that its channel refused."""
    if tracking is None and carrier is None and service is None and url is None:
        raise UserError("nothing to correct; name --tracking, --carrier, --service or --url")
    with given.opened(config) as (settings, store):
        with store.read() as tx:
            row = find_order(tx, order)
        why_not = given.unable(settings, row.channel, Ability.CORRECT_TRACKING)
        correction = Correction(
            order_id=row.id, was=was, tracking=tracking, carrier=carrier, service=service, tracking_url=url
        )
        unable = f"{row.channel} takes no corrections of a parcel it was told of: {why_not}" if why_not else ""
        done = book(store, correction, clock(), unable=unable)
    if json:
        show.document({"shipment": done.shipment, "push": done.push, "again": done.again, "order": row.id})
        return
    what = f"parcel {done.shipment} of order {row.name or row.number} is corrected"
    if done.push is None:
        show.line(f"{what} here; {row.channel} is not told of this parcel")
    else:
        show.line(f"{what}; {row.channel} is told {'the correction' if done.again else 'of it so'} next")
