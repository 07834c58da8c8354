"""Stock that is expected at a location: ordered from a supplier, or on its way from another location.

What is expected is known by its reference, item and location, so one purchase order may bring many items. Nothing of it
is on hand before it is received, in as many deliveries as it takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from core.errors import UserError
from core.model import MAX_QUANTITY
from core.store import tables
from core.store.database import Store, Tx
from core.store.moves import Entry
from core.sync.stock_asked import Ask, check_ask, is_name, known_items, known_locations


class Expected(msgspec.Struct, frozen=True):
    """Units of one item that are to come to one location."""

    sku: str
    location: str
    quantity: int
    received: int
    """More than `quantity` where more came and was taken."""
    left: int
    """Still to come."""
    eta: int | None
    """Microseconds since 1970 UTC; None: nobody knows."""
    source: str
    """purchase or transfer."""
    from_location: str | None
    """Of a transfer: where the units left."""
    reference: str
    state: str
    """open, received or cancelled."""
    note: str
    overdue: bool
    """Open, and its time has passed."""


KEY = "reference = :reference AND item_id = :item AND location_id = :place"

SHOWN = """
SELECT n.*, i.sku, l.name AS location, f.name AS from_location FROM incoming n JOIN items i ON i.id = n.item_id
JOIN locations l ON l.id = n.location_id LEFT JOIN locations f ON f.id = n.from_id
"""


def incoming(store: Store, skus: Sequence[str] = (), *, now: int, closed: bool = False) -> list[Expected]:
    """What is expected of `skus`, or of all items, the soonest first and what has no date last; with `closed`, also
    what came or was cancelled."""
    which = ["n.state = 'open'"] if not closed else []
    which += ["i.sku IN :skus"] if skus else []
    with store.read() as tx:
        rows = tx.rows(
            SHOWN
            + (f" WHERE {' AND '.join(which)}" if which else "")
            + " ORDER BY CASE WHEN n.eta IS NULL THEN 1 ELSE 0 END, n.eta, n.reference, i.sku, l.name",
            **({"skus": sorted(set(skus))} if skus else {}),
        )
    return [as_expected(row, now) for row in rows]


def expect(
    store: Store,
    sku: str,
    location: str,
    quantity: int,
    reference: str,
    now: int,
    *,
    eta: int | None = None,
    title: str = "",
    note: str = "",
    actor: str = "operator",
) -> Expected:
    """`quantity` units of `sku` are ordered and will come to `location`, all told. An unknown SKU becomes an item.

    Said again with the same reference, it is replaced: a later date, another quantity (never less than came already),
    or expected anew after it was cancelled. Raises `UserError` for a transfer, which is changed by its own commands.
    """
    ask = Ask(kind="receive", sku=sku, location=location, units=quantity, title=title)
    check_ask(ask)
    check_reference(reference)
    if not quantity:
        raise UserError(f"0 of {sku} are nothing to expect; write a whole number from 1 to {MAX_QUANTITY}")

    def work(tx: Tx) -> Any:
        place = known_locations(tx, [location])[location]
        item = known_items(tx, [ask])[sku]
        tx.rows("SELECT id FROM items WHERE id = :id /*lock*/", id=item)  # the item's lock guards what is expected
        refuse_other_source(tx, reference, "purchase")
        was = tx.row(f"SELECT * FROM incoming WHERE {KEY}", reference=reference, item=item, place=place)
        if was is not None and quantity < was.received:
            raise UserError(
                f"{was.received} of {sku} came to {location} as {reference} already; expect as many at least, "
                "or cancel the rest (`ordersync stock cancel`)"
            )
        came = was.received if was is not None else 0
        state = "received" if came >= quantity else "open"
        values = (reference, item, place, quantity, eta, note, state, actor, now, now)
        tx.insert(
            tables.incoming,
            ("reference", "item_id", "location_id", "quantity", "eta", "note", "state", "actor", "created_at",
             "updated_at"),
            [values],
            "ON CONFLICT (reference, item_id, location_id) DO UPDATE SET quantity = excluded.quantity,"
            " eta = excluded.eta, note = excluded.note, state = excluded.state, actor = excluded.actor,"
            " updated_at = excluded.updated_at",
        )  # fmt: skip
        return tx.row(f"{SHOWN} WHERE n.{KEY}", reference=reference, item=item, place=place)

    return as_expected(store.transact(work), now)


def find_expected(tx: Tx, ask: Ask, item: int, place: int, reference: str) -> Any:
    """The row that units received as `reference` belong to; its item is locked. Refuses where nothing is expected."""
    row = tx.row(f"SELECT * FROM incoming WHERE {KEY}", reference=reference, item=item, place=place)
    if row is not None and row.state != "cancelled":
        return row
    others = tx.rows(
        f"{SHOWN} WHERE n.reference = :reference AND n.state = 'open' ORDER BY i.sku, l.name", reference=reference
    )
    told = ", ".join(f"{other.sku} at {other.location}" for other in others[:5])
    known = f"it brings {told}" if told else "see `ordersync stock incoming`, or expect it (`ordersync stock expect`)"
    raise UserError(f"no {ask.sku} is expected at {ask.location} as {reference!r}; {known}")


def refuse_too_many(row: Any, ask: Ask, over: bool) -> None:
    """Refuses more than is left to come; `over`: a supplier may send more, which is then received all the same."""
    left = max(0, row.quantity - row.received - row.lost)
    if ask.units <= left or (over and row.source == "purchase"):
        return
    cure = (
        "receive that, and adjust what is there beyond it"
        if row.source == "transfer"
        else "receive that, or all of it with --over"
    )
    raise UserError(f"{row.reference} still brings {left} of {ask.sku} to {ask.location}, not {ask.units}; {cure}")


def write_received(tx: Tx, entries: Sequence[Entry], now: int) -> None:
    """Counts received units towards what was expected: those entries that name it."""
    for entry in entries:
        if entry.incoming_id is not None and entry.on_hand > 0:
            tx.run(
                "UPDATE incoming SET received = received + :units, updated_at = :now, state = CASE"
                " WHEN received + :units + lost >= quantity THEN 'received' ELSE state END WHERE id = :id",
                id=entry.incoming_id,
                units=entry.on_hand,
                now=now,
            )


def refuse_other_source(tx: Tx, reference: str, source: str) -> None:
    """A reference is a purchase order's or a transfer's, so that it is clear what calling it off means."""
    if tx.row("SELECT 1 FROM incoming WHERE reference = :it AND source <> :source", it=reference, source=source):
        other = "a transfer" if source == "purchase" else "a purchase order"
        raise UserError(f"{reference} is {other} already; give this another reference")


def check_reference(reference: str) -> None:
    """Refuses what cannot be said again: an empty reference, blanks around it, control characters."""
    if not is_name(reference):
        raise UserError(f"{reference!r} is no reference; write one such as PO-17, without blanks around it")


def as_expected(row: Any, now: int) -> Expected:
    left = max(0, row.quantity - row.received - row.lost) if row.state == "open" else 0
    return Expected(
        sku=row.sku,
        location=row.location,
        quantity=row.quantity,
        received=row.received,
        left=left,
        eta=row.eta,
        source=row.source,
        from_location=row.from_location,
        reference=row.reference,
        state=row.state,
        note=row.note,
        overdue=row.state == "open" and row.eta is not None and row.eta < now,
    )
