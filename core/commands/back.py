"""`ordersync return …`: returns at the desk, from what is announced to what becomes of each unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from core.commands import given, show
from core.commands.edge import NeedsAttention
from core.commands.given import Config, Json, Note, Notify, Order, Reference
from core.commands.refund import amount_of, decide_and_tell, parts_of, print_quote, whole
from core.connector import Ability
from core.errors import UserError
from core.model import RefundReason
from core.sync.channel import clock
from core.sync.exchange import Exchange, exchange
from core.sync.find import find_order
from core.sync.received import Came, Disposition, Receiving
from core.sync.received import receive as book
from core.sync.refund import quote
from core.sync.rma import Opening, close_return, find, open_return
from core.sync.rma_refund import bind, propose

Target = Annotated[
    str,
    typer.Argument(metavar="RETURN", help="RMA-3, the channel's number, or CHANNEL:NUMBER where several have it."),
]
Lines = Annotated[
    list[str] | None, typer.Option("--line", metavar="SKU=QTY", help="Units by SKU or by the order's line number.")
]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="What buyers send back: announced, received, with what became of each unit.")
    group.command("open")(open_)
    group.command("receive")(receive)
    group.command("refund")(refund)
    group.command("exchange")(exchange_)
    group.command("close")(close)
    app.add_typer(group, name="return")


def open_(
    order: Order,
    line: Lines = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why they come back.")] = "",
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Open a return of your own, where the channel has none; all that left and is not back if no line is named.

    No channel is told. Never for more units than have left and are neither back nor announced.
    """
    units = given.quantities(line or [])
    with given.opened(config) as (_, store):
        with store.read() as tx:
            row = find_order(tx, order)
            skus = {one.number: one.sku for one in tx.rows("SELECT * FROM lines WHERE order_id = :id", id=row.id)}
        opened = open_return(store, Opening(order_id=row.id, reason=reason, units=units or None), clock())
    if json:
        document = {"return": opened.name, "order": row.id, "channel": row.channel, "number": row.number}
        show.document({**document, "lines": [{"line": n, "quantity": c} for n, c in opened.units.items()]})
        return
    told = ", ".join(f"{count} {skus.get(number) or f'of line {number}'}" for number, count in opened.units.items())
    show.line(f"{opened.name} of order {row.name or row.number} is open: {told}")


def receive(
    target: Annotated[
        str, typer.Argument(metavar="RETURN|ORDER", help="The return; or the order, where at most one is open.")
    ],
    line: Annotated[
        list[str],
        typer.Option(
            "--line", metavar="SKU=QTY[:DISPOSITION]", help="What is in the box, by SKU or by the order's line number."
        ),
    ],
    disposition: Annotated[
        Disposition, typer.Option("--disposition", help="What becomes of units whose line does not say it.")
    ] = Disposition.QUARANTINE,
    at: Annotated[
        str, typer.Option("--at", metavar="LOCATION", help="Where they are now; where they had left from if not given.")
    ] = "",
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="What was seen.")] = "",
    reference: Reference = "",
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Book units that came back. Only restocked ones are for sale again; no money moves.

    Quarantined and damaged units stand aside (`ordersync aside`). Never more than left and is not back yet.
    """
    came = _came(line, disposition)
    with given.opened(config) as (settings, store):
        given.write_places(store, settings)
        wish = Receiving(target=target, came=came, location=at, reference=reference, note=note)
        done = book(store, wish, clock())
    if json:
        rows = [
            {"sku": one.name, "quantity": one.units, "disposition": one.disposition.value, "location": place}
            for one, place in zip(done.rows, done.locations, strict=True)
        ]
        show.document({"return": done.name, "new": done.new, "complete": done.done, "received": rows})
        return
    if not done.new:
        show.line(f"{reference} was booked already for {done.name}; nothing changed")
        return
    show.table(
        ("SKU", "units", "disposition", "at"),
        [
            (one.name, one.units, one.disposition.value, place)
            for one, place in zip(done.rows, done.locations, strict=True)
        ],
        title=f"received of {done.name}, {done.whose}",
    )
    show.line("all that was announced has come" if done.done else "more is to come, or nothing was announced")


def refund(
    target: Target,
    line: Annotated[
        list[str] | None,
        typer.Option(
            "--line",
            metavar="SKU=QTY[:AMOUNT]",
            help="Only these; all that came and is not given back yet if nothing is named.",
        ),
    ] = None,
    shipping: Annotated[
        str, typer.Option("--shipping", metavar="AMOUNT", help="Of the shipping charge, its tax included.")
    ] = "",
    reason: Annotated[
        RefundReason, typer.Option("--reason", help="Why; told to the channel in its own words.")
    ] = RefundReason.RETURNED,
    note: Note = "",
    notify: Notify = True,
    reference: Reference = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Give back what a return's units cost, as far as they came; shows what it comes to, and asks first.

    Moves no stock. Where the channel cannot be told to refund, it says how much to give back there by hand.
    """
    parts = parts_of(line or [])
    with given.opened(config) as (settings, store):
        found = propose(
            store,
            target,
            parts=parts or None,
            shipping=amount_of(shipping) if shipping else None,
            reason=reason,
            note=note,
            notify=notify,
            reference=reference,
        )
        row = found.found.order
        why_not = given.unable(settings, row.channel, Ability.REFUND)
        if why_not:
            quoted = quote(store, found.wish)
            if json:
                show.document(whole(quoted, row))
            else:
                print_quote(quoted, row)
            raise NeedsAttention(
                f"{row.channel} cannot be told to refund: {why_not}; "
                f"give {quoted.amount} {quoted.currency} of {found.found.whose} back there by hand"
            )
        decide_and_tell(store, found.wish, row, yes=yes, json=json, also=bind(found, clock()))


def exchange_(
    target: Target,
    units: Annotated[
        list[str],
        typer.Option("--for", metavar="SKU=QTY", help="What is sent: the channel's SKU or an item's."),
    ],
    over: Annotated[
        bool, typer.Option("--over", help="Send more units than the return has left; else that is refused.")
    ] = False,
    note: Note = "",
    reference: Reference = "",
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Send other units instead: an order of your own, promised, routed and shipped like any other.

    As many units as came back or may still come by the return, less those that were given back or exchanged before.
    Its channel does not know it and is told nothing of it. Cancel it as any order if it is not to leave.
    """
    with given.opened(config) as (_, store):
        wish = Exchange(target=target, units=given.quantities(units), reference=reference, over=over, note=note)
        done = exchange(store, wish, clock())
    if json:
        words = ("new", "number", "reserved", "backordered")
        show.document({"order": done.order_id, **{word: getattr(done, word) for word in words}})
        return
    if not done.new:
        show.line(f"{reference} was decided already: order {done.number}; nothing changed")
        return
    promised = ", ".join(f"{count} {sku} reserved" for sku, count in done.reserved.items())
    waits = ", ".join(f"{count} {sku} backordered" for sku, count in done.backordered.items())
    show.line(f"order {done.number} is sent instead: {', '.join(part for part in (promised, waits) if part)}")


def close(
    target: Target,
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="Why nothing more is expected.")] = "",
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Expect nothing more of a return. What comes all the same can be received still."""
    with given.opened(config) as (_, store):
        with store.read() as tx:
            found = find(tx, target)
        closed = close_return(store, found, why, clock())
    if json:
        show.document({"return": found.name, "new": closed})
    else:
        show.line(f"{found.name} is closed" if closed else f"{found.name} was closed already; nothing changed")


def _came(pairs: Sequence[str], disposition: Disposition) -> list[Came]:
    found: list[Came] = []
    for pair in pairs:
        units, colon, word = pair.rpartition(":")
        if not colon or "=" not in units:  # a SKU may hold a colon itself
            units, word = pair, disposition.value
        if word not in {one.value for one in Disposition}:
            raise UserError(f"{word!r} is no disposition; write one of {', '.join(one.value for one in Disposition)}")
        ((name, count),) = given.quantities([units]).items()
        if any(one.name == name and one.disposition == word for one in found):
            raise UserError(f"{name} is named twice as {word}; name it once, with all its units")
        found.append(Came(name=name, units=count, disposition=Disposition(word)))
    return found


def told(row: Any) -> dict[str, Any]:
    """A receipt, as commands print it."""
    words = ("sku", "quantity", "disposition", "location", "note", "actor")
    return {**{word: getattr(row, word) for word in words}, "at": show.iso(row.at)}
