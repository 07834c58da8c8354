"""`ordersync refund`: money goes back to a buyer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import typer

from core.commands import given, show
from core.commands.edge import NeedsAttention
from core.commands.given import Config, Json, Note, Notify, Order, Reference
from core.connector import Ability
from core.errors import UserError
from core.model import RefundReason
from core.store.database import Store, Tx
from core.sync.channel import clock
from core.sync.find import find_order
from core.sync.refund import Part, Quote, Wish, quote
from core.sync.refund import refund as decide


def register(app: typer.Typer) -> None:
    app.command("refund")(refund)


def refund(
    order: Order,
    reason: Annotated[RefundReason, typer.Option("--reason", help="Why; told to the channel in its own words.")],
    line: Annotated[
        list[str] | None,
        typer.Option(
            "--line",
            metavar="SKU=QTY[:AMOUNT]",
            help="So many units, at their price or for this amount before tax; 0 units: money without units.",
        ),
    ] = None,
    shipping: Annotated[
        str, typer.Option("--shipping", metavar="AMOUNT", help="Of the shipping charge, its tax included.")
    ] = "",
    rma: Annotated[str, typer.Option("--return", metavar="RMA", help="The channel's number of the return.")] = "",
    note: Note = "",
    notify: Notify = True,
    reference: Reference = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Give money back, never more than was paid; shows what it comes to, and asks first. Moves no stock.

    With neither --line nor --shipping, all that is left of what was paid. Its channel is told next.
    """
    parts = parts_of(line or [])
    with given.opened(config) as (settings, store):
        with store.read() as tx:
            row = find_order(tx, order)
        why_not = given.unable(settings, row.channel, Ability.REFUND)
        if why_not:
            raise NeedsAttention(
                f"{row.channel} cannot be told to refund: {why_not}; "
                f"refund order {row.name or row.number} there by hand"
            )
        wish = Wish(
            order_id=row.id,
            reason=reason,
            parts=parts or None,
            shipping=amount_of(shipping) if shipping else None,
            rma=rma,
            note=note,
            notify=notify,
            reference=reference,
        )
        decide_and_tell(store, wish, row, yes=yes, json=json)


def decide_and_tell(
    store: Store,
    wish: Wish,
    row: Any,
    *,
    yes: bool,
    json: bool,
    also: Callable[[Tx, int], None] = lambda tx, push: None,
) -> None:
    """Shows what a refund comes to, asks, decides it, and tells. Raises `UserError` where it is not decided."""
    found = quote(store, wish)
    if not json:
        print_quote(found, row)
    if found.new and (yes or _agreed(found, json)):
        found = decide(store, wish, clock(), expected=found.amount, also=also)
    if json:
        show.document(whole(found, row))
    elif not found.new:
        show.line(f"{wish.reference} was decided already (push {found.push}); nothing changed")
    elif found.push is not None:
        show.line(f"decided; {row.channel} is told next (push {found.push})")
    if found.push is None:
        raise UserError("nothing was given back; add --yes to do it")


def _agreed(found: Quote, json: bool) -> bool:
    """Whether somebody at the terminal agrees; nobody can be asked in a pipe."""
    return not json and sys.stdin.isatty() and typer.confirm(f"give back {found.amount} {found.currency}?")


def parts_of(pairs: Sequence[str]) -> dict[str, Part]:
    found: dict[str, Part] = {}
    for pair in pairs:
        name, _, rest = pair.rpartition("=")
        units, colon, amount = rest.partition(":")
        if not name or not (units.isascii() and units.isdigit()) or len(units) > 10 or (colon and not amount):
            raise UserError(f"{pair!r} is no SKU=QTY or SKU=QTY:AMOUNT; write for example TEE-RED=1:12.50")
        if name in found:
            raise UserError(f"{name} is named twice; name it once, with all its units")
        found[name] = Part(units=int(units), amount=amount_of(amount) if colon else None)
    return found


def amount_of(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not text.isascii() or not amount.is_finite() or amount < 0 or amount.adjusted() > 12:
        raise UserError(f"{text!r} is no amount; write for example 12.50")
    return amount


def print_quote(found: Quote, row: Any) -> None:
    show.table(
        ("line", "SKU", "units", "amount", "tax"),
        [(number, found.skus.get(number), one.quantity, one.amount, one.tax) for number, one in found.lines.items()],
        title=f"refund of order {row.name or row.number}, in {found.currency}",
    )
    show.facts(
        {
            "shipping": found.shipping or "",
            "to give back": f"{found.amount} {found.currency}",
            "paid": f"{found.paid:.2f}, {found.refunded:.2f} of it given back or on its way",
        }
    )


def whole(found: Quote, row: Any) -> dict[str, Any]:
    return {
        "push": found.push,
        "new": found.new,
        "order": row.id,
        "channel": row.channel,
        "number": row.number,
        "currency": found.currency,
        "amount": found.amount,
        "shipping": found.shipping,
        "paid": found.paid,
        "refunded_before": found.refunded,
        "lines": [
            {
                "line": number,
                "sku": found.skus.get(number, ""),
                "quantity": one.quantity,
                "amount": one.amount,
                "tax": one.tax,
            }
            for number, one in found.lines.items()
        ],
    }
