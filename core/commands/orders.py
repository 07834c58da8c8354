"""`ordersync orders` and `ordersync order`: the orders there are, and the whole story of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
import typer

from core.commands import given, show
from core.commands.given import Config, Json, Order
from core.expected import Hope
from core.settings import Settings
from core.store.database import Tx
from core.sync.expected import expected
from core.sync.find import find_order
from core.sync.status import ORDER_STATUS, OrderStatus
from core.sync.story import Parcel, Story, asked, tell, units

_LIST = f"""
SELECT * FROM (
  SELECT o.id, c.name AS channel, o.number, o.name, o.placed_at, o.imported_at, o.currency, o.total, o.ship_by,
    {ORDER_STATUS} AS status, (SELECT sum(l.ordered) FROM lines l WHERE l.order_id = o.id) AS units
  FROM orders o JOIN channels c ON c.id = o.channel_id
) AS o WHERE (:channel = '' OR o.channel = :channel) AND (:status = '' OR o.status = :status)
ORDER BY o.id DESC LIMIT :limit
"""

_COUNTERS = (
    "ordered",
    "cancelled",
    "cancelling",
    "shipped",
    "reserved",
    "allocated",
    "backordered",
    "held",
    "returned",
    "late",
    "late_kept",
)


def register(app: typer.Typer) -> None:
    app.command("orders")(orders)
    app.command("order")(order)


def orders(
    channel: Annotated[
        str, typer.Option("--channel", metavar="CHANNEL", autocompletion=given.complete_channel, help="Only its own.")
    ] = "",
    status: Annotated[OrderStatus | None, typer.Option("--status", help="Only those that are so.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1_000_000, help="The newest so many.")] = 50,
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """List orders, the newest first, with the status their lines give them."""
    with given.opened(config) as (settings, store), store.read() as tx:
        if channel:
            given.known_channel(tx, channel)
        rows = tx.rows(_LIST, channel=channel, status=status.value if status else "", limit=limit)
        hopes = _hopes(tx, [row.id for row in rows if row.status in _WAITING], settings)
    if json:
        show.document({"orders": [_brief(row, hopes) for row in rows]})
        return
    waits = ("expected",) if any(row.status in _WAITING for row in rows) else ()
    show.table(
        ("id", "channel", "number", "name", "status", *waits, "placed", "units", "total", ""),
        [
            (row.id, row.channel, row.number, row.name, row.status, *(show.day(hopes.get(row.id)) for _ in waits),
             show.clock_time(row.placed_at), row.units, show.amount(row.total), row.currency)
            for row in rows
        ],
    )  # fmt: skip
    show.line(show.many(len(rows), "order") + (f" (the newest {limit}; see --limit)" if len(rows) == limit else ""))


_WAITING = (OrderStatus.BACKORDERED.value, OrderStatus.PARTIALLY_BACKORDERED.value)


def _hopes(tx: Tx, ids: list[int], settings: Settings) -> dict[int, int]:
    """When the last units come that orders wait for, by order; those with units that nothing dated covers left out."""
    found = expected(tx, ids, settings.channels) if ids else {}
    hopes: dict[int, int] = {}
    unknown = set()
    for row in tx.rows("SELECT id, order_id FROM lines WHERE order_id IN :ids AND backordered > 0", ids=ids):
        eta = found[row.id].eta if row.id in found else None
        if eta is None:
            unknown.add(row.order_id)
        else:
            hopes[row.order_id] = max(eta, hopes.get(row.order_id, 0))
    return {id: eta for id, eta in hopes.items() if id not in unknown}


def _brief(row: Any, hopes: Mapping[int, int]) -> dict[str, Any]:
    instants = {word: show.iso(getattr(row, word)) for word in ("placed_at", "imported_at", "ship_by")}
    return {**row._mapping, **instants, "total": show.amount(row.total), "expected_at": show.iso(hopes.get(row.id))}


def order(
    order: Order,
    buyer: Annotated[bool, typer.Option("--buyer", help="The buyer's name, whole address and e-mail, too.")] = False,
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Tell everything of one order: its lines, its holds, why it ships from where, its parcels, what happened."""
    with given.opened(config) as (settings, store), store.read() as tx:
        story = tell(tx, find_order(tx, order), buyer=buyer, channels=settings.channels)
    if json:
        show.document(_whole(story))
    else:
        _print(story)


def _whole(story: Story) -> dict[str, Any]:
    row = story.order
    exact = ("id", "channel", "number", "name", "currency", "fulfiller", "service", "presentment_currency")
    amounts = ("total", "shipping", "shipping_tax", "discount", "adjustment", "money_off", "presentment_total")
    instants = ("placed_at", "imported_at", "updated_at", "ship_by", "deliver_by", "acknowledge_by")
    return {
        **{word: getattr(row, word) for word in exact},
        **{word: bool(getattr(row, word)) for word in ("test", "priced", "acknowledged")},
        **{word: show.amount(getattr(row, word)) for word in amounts},
        **{word: show.iso(getattr(row, word)) for word in instants},
        "status": story.status,
        "to": story.to,
        "documents": story.documents,
        "lines": [{**_line(line), **_hope(story.expected.get(line.id))} for line in story.lines],
        "holds": [_dated(one, "since", "until") for one in story.holds],
        "set_aside": [{**row._mapping, "since": show.iso(row.since)} for row in story.set_aside],
        "fulfilment": [_dated(one, "created_at", "released_at") for one in story.work],
        "waiting": None if story.waiting is None else _dated(story.waiting, "since", "due_at"),
        "left_out": [_dated(one, "at") for one in story.left_out],
        "shipments": [_dated(one, "shipped_at", "voided_at") for one in story.parcels],
        "cancellations": [_dated(one, "decided_at") for one in story.cancellations],
        "refunds": [{**_dated(one, "at"), "amount": show.amount(one.amount)} for one in story.refunds],
        "exchange": story.exchange,
        "returns": [msgspec.structs.asdict(one) for one in story.returns],
        "receipts": [_dated(one, "at") for one in story.receipts],
        "acknowledgement": None if story.acknowledgement is None else story.acknowledgement.state,
        "timeline": [_dated(one, "at") for one in story.timeline],
    }


def _hope(one: Hope | None) -> dict[str, Any]:
    """What covers a line's waiting units."""
    if one is None:
        return {"expected": 0, "expected_at": None, "expected_from": []}
    return {"expected": one.units, "expected_at": show.iso(one.eta), "expected_from": list(one.references)}


def _dated(one: msgspec.Struct, *instants: str) -> dict[str, Any]:
    return {**msgspec.structs.asdict(one), **{word: show.iso(getattr(one, word)) for word in instants}}


def _line(line: Any) -> dict[str, Any]:
    return {
        **{word: getattr(line, word) for word in ("id", "number", "sku", "item", "title", "place", *_COUNTERS)},
        **{word: show.amount(getattr(line, word)) for word in ("unit_price", "tax", "discount")},
    }


def _void(parcel: Parcel) -> str:
    if parcel.voided_at is None:
        return ""
    shown = ", shown there all the same: take it back there by hand" if parcel.void_shown else ""
    if parcel.void_shown and parcel.void_push in ("queued", "sent", "unknown", "accepted", "applied"):
        shown = f", shown there until it is taken back there ({parcel.void_push})"
    return f"void since {show.clock_time(parcel.voided_at)}: {parcel.void_why}{shown}"


def _print(story: Story) -> None:
    row = story.order
    off = show.amount(row.money_off)
    rare = ("cancelling", "late", "late_kept", "cancelled", "backordered", "held", "returned")
    shown = [word for word in _COUNTERS if word not in rare or any(getattr(line, word) for line in story.lines)]
    renamed = any(line.sku != line.item for line in story.lines)
    show.facts(
        {
            "status": story.status.replace("_", " "),
            "channel": f"{row.channel}, number {row.number}",
            "placed": show.clock_time(row.placed_at),
            "ship by": show.clock_time(row.ship_by),
            "service": row.service,
            "total": f"{show.amount(row.total)} {row.currency}",
            "money": f"the amounts miss the total by {off} {row.currency}; look at the order there" if off else "",
            "to": ", ".join(part for part in story.to.values() if part),
            "exchange": "made here for a return; its channel does not know it" if story.exchange else "",
            "test": "a test order; it is never shipped" if row.test else "",
            "acknowledgement": story.acknowledgement.state if story.acknowledgement else "",
        },
        title=f"order {row.id}: {row.name or row.number}",
    )
    show.table(
        ("line", "SKU", *(("item",) if renamed else ()), "title", *(word.replace("_", " ") for word in shown)),
        [
            (
                *(line.number, line.sku, *((line.item,) if renamed else ()), line.title),
                *(getattr(line, word) for word in shown),
            )
            for line in story.lines
        ],
        title="lines",
    )
    show.table(
        ("line", "SKU", "waiting", "expected", "last by", "from"),
        [
            (line.number, line.sku, line.backordered, hope.units, show.day(hope.eta), ", ".join(hope.references))
            for line in story.lines
            if (hope := story.expected.get(line.id))
        ],
        title="backordered",
    )
    show.table(
        ("hold", "by", "since", "until", "why"),
        [(h.hold, h.by, show.clock_time(h.since), show.clock_time(h.until), h.why) for h in story.holds],
        title="held",
    )
    show.table(
        ("hold", "by", "since", "why"),
        [(row.hold, row.by, show.clock_time(row.since), row.why) for row in story.set_aside],
        title="set aside",
    )
    for work in story.work:
        gone = work.state == "cancelled" and not any(line["quantity"] for line in work.lines)
        state = "" if gone else f" ({work.state})"  # a reader would take "cancelled" for the order's
        show.line(f"{work.location} was asked for {asked(work)}{state}")
        for sentence in work.why:
            show.line(f"  {sentence}")
    if story.waiting is not None:
        show.line(f"waits for a location since {show.clock_time(story.waiting.since)}: {story.waiting.what}")
        for sentence in story.waiting.why:
            show.line(f"  {sentence}")
    show.table(
        ("location", "since", "by", "why"),
        [(one.location, show.clock_time(one.at), one.actor, one.why) for one in story.left_out],
        title="left out",
    )
    if story.left_out and story.waiting is not None:
        show.line(f"`ordersync reroute {story.order.id} --allow LOCATION` lets one be asked again")
    show.table(
        ("parcel", "from", "carrier", "tracking", "units", "told", "reason"),
        [
            (p.id, p.location, p.carrier, p.tracking, units(p.lines), p.push or "by the channel", _void(p) or p.reason)
            for p in story.parcels
        ],
        title="parcels",
    )
    show.table(
        ("cancelled here", "units", "why", "told", "reason"),
        [
            (show.clock_time(c.decided_at), units(c.lines), c.reason.replace("_", " "), c.state, c.refusal)
            for c in story.cancellations
        ],
        title="cancellations",
    )
    show.table(
        ("refund", "when", "amount", "units", "by", "why", "state", "reason"),
        [
            (g.number or None, show.clock_time(g.at), show.amount(g.amount), units(g.lines), g.origin,
             g.reason.replace("_", " "), g.state, g.refusal)
            for g in story.refunds
        ],
        title="refunds",
    )  # fmt: skip
    show.table(
        ("return", "state", "announced", "received", "reason"),
        [(r.name, r.state.replace("_", " "), r.announced, r.received, r.reason) for r in story.returns],
        title="returns",
    )
    show.table(
        ("received", "return", "units", "SKU", "disposition", "at", "note"),
        [(show.clock_time(r.at), r.rma, r.quantity, r.sku, r.disposition, r.location, r.note) for r in story.receipts],
        title="came back",
    )
    show.table(
        ("when", "what"),
        [(show.clock_time(happening.at), happening.what) for happening in story.timeline],
        title="timeline",
    )
