"""What a buyer is to get back for what came back: proposed from what was received, decided as any refund.

Receiving moves no money and a refund moves no stock: two facts, each once. The units proposed are those received of a
return that have not been given back for it yet, nor others sent for; whoever names units and amounts decides otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

import msgspec

from core.errors import UserError
from core.model import Refund, RefundReason
from core.store import tables
from core.store.database import Store, Tx
from core.sync.refund import Part, Wish, given_before
from core.sync.rma import Found, desk_row, find, paid_order
from core.sync.said import decoded


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """A refund of a return, to be shown and decided."""

    wish: Wish
    found: Found
    units: dict[str, int]
    """Received, not given back yet and not exchanged, by line number: what is proposed where nothing is named."""


def propose(
    store: Store,
    target: str,
    *,
    parts: dict[str, Part] | None = None,
    shipping: Decimal | None = None,
    reason: RefundReason = RefundReason.RETURNED,
    note: str = "",
    notify: bool = True,
    reference: str = "",
    actor: str = "operator",
) -> Proposal:
    """What a return's refund would be; changes nothing.

    Raises `UserError` for a bare order, for a return whose order is not here or cost nothing, and where nothing was
    received that is neither given back nor exchanged and nothing is named.
    """
    with store.read() as tx:
        found = find(tx, target)
        if not found.name:
            raise UserError(f"{found.whose} is no return; name the return, or `ordersync refund` the order")
        if found.order is None:
            raise UserError(f"return {found.name} is of {found.whose}: refund it at the channel")
        paid = paid_order(tx, found.order.id)
        if paid.id != found.order.id:
            raise UserError(
                f"return {found.name} is of {found.whose}, which was sent in exchange and cost nothing; give money "
                f"back for order {paid.name or paid.number} (`ordersync refund {paid.id}`)"
            )
        units = due(tx, found)
        sent = {} if found.rma is None else exchanges_of(tx, found.rma.id)
    if parts is None and shipping is None and not units:
        raise UserError(
            f"nothing of return {found.name} was received that is not given back{'' if not sent else _or_sent(sent)};"
            " name it with --line or --shipping"
        )
    named = parts
    if parts is None and units:
        named = {line: Part(units=count) for line, count in units.items()}
    wish = Wish(
        order_id=found.order.id,
        reason=reason,
        parts=named,
        shipping=shipping,
        rma="" if found.told is None else found.told.number,
        note=note,
        notify=notify,
        reference=reference,
        actor=actor,
    )
    return Proposal(wish=wish, found=found, units=units if parts is None else {})


def _or_sent(sent: Mapping[str, int]) -> str:
    return f" or may not be one of the {sum(sent.values())} that others are sent for ({', '.join(sent)})"


def due(tx: Tx, found: Found, *, but: int | None = None) -> dict[str, int]:
    """Units of a return that were received and neither given back for it yet nor exchanged, by line number.

    An exchange does not say for which units it is: where several lines are left of which some are exchanged, none is
    due by itself. `but`: a refund's push that is not to count.
    """
    if found.rma is None:
        return {}
    left = not_given_back(tx, found, came_of(tx, found.rma.id), but=but)
    exchanged = sum(exchanges_of(tx, found.rma.id).values())
    if not exchanged:
        return left
    if len(left) != 1:
        return {}
    return {line: units - exchanged for line, units in left.items() if units > exchanged}


def came_of(tx: Tx, rma_id: int) -> dict[str, int]:
    """Units received of a return, by line number."""
    return {
        row.number: int(row.units)
        for row in tx.rows(
            "SELECT l.number, SUM(r.quantity) AS units FROM receipts r JOIN lines l ON l.id = r.line_id"
            " WHERE r.rma_id = :id GROUP BY l.number",
            id=rma_id,
        )
    }


def exchanges_of(tx: Tx, rma_id: int) -> dict[str, int]:
    """Units sent instead, by the number of their order: those that were cancelled are not sent."""
    rows = tx.rows(
        "SELECT o.number, SUM(l.ordered - l.cancelled) AS units FROM exchanges e JOIN orders o ON o.id = e.order_id"
        " JOIN lines l ON l.order_id = o.id WHERE e.rma_id = :id GROUP BY o.id, o.number ORDER BY o.id",
        id=rma_id,
    )
    return {row.number: int(row.units) for row in rows if row.units}


def not_given_back(tx: Tx, found: Found, units: Mapping[str, int], *, but: int | None = None) -> dict[str, int]:
    """Of these units of a return, by line number, those for which nobody has given money back."""
    ordered = {
        row.number: row.ordered for row in tx.rows("SELECT * FROM lines WHERE order_id = :id", id=found.order.id)
    }
    ours: dict[str, int] = {}
    for row in tx.rows(
        "SELECT p.argument FROM rma_refunds f JOIN pushes p ON p.id = f.push_id"
        " WHERE f.rma_id = :id AND p.state NOT IN ('refused', 'dropped')",
        id=found.rma.id,
    ):
        for line, part in decoded(row.argument, Refund).lines.items():
            ours[line] = ours.get(line, 0) + part.quantity
    theirs: dict[str, int] = {}
    if found.told is not None:
        for row in tx.rows("SELECT * FROM return_lines WHERE return_id = :id", id=found.told.id):
            theirs[row.order_line] = theirs.get(row.order_line, 0) + row.refunded
    before = given_before(tx, found.order.id, but=but).units
    left = {
        line: min(count - max(ours.get(line, 0), theirs.get(line, 0)), ordered[line] - before.get(line, 0))
        for line, count in units.items()
        if line in ordered
    }
    return {line: count for line, count in left.items() if count > 0}


def bind(proposal: Proposal, now: int) -> Callable[[Tx, int], None]:
    """What is written with the refund: whose return it is for. Refuses where less is due than was proposed."""

    def also(tx: Tx, push: int) -> None:
        rma = desk_row(tx, proposal.found, proposal.wish.actor, now)
        if proposal.units:
            left = due(tx, Found(rma, proposal.found.told, proposal.found.order), but=push)
            for line, part in (proposal.wish.parts or {}).items():
                if left.get(line, 0) < part.units:
                    name = proposal.found.name
                    raise UserError(
                        f"return {name} has changed: {left.get(line, 0)} of line {line} are due; look again"
                    )
        tx.insert(tables.rma_refunds, ("push_id", "rma_id"), [(push, rma.id)])

    return also
