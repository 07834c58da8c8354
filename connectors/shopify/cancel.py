"""Cancelling: whole orders by `orderCancel`, units of an order by `refundCreate`.

A whole order of which nothing has left is cancelled as such. That is a job at Shopify's: the ticket names it, and what
became of it is told by the order itself. It needs no key: an order that is cancelled cannot be cancelled again.

Units are taken off by a refund of the type CANCEL, which is what Shopify's own page on `orderCancel` sends one to where
the rest of the order goes on: it takes the units off the work still to be done, puts them back on offer and gives their
money back in one step, once for each key. Editing the order would take three steps without a key and another scope, and
leave the buyer's money where it is.

**Stock.** Our levels follow our stock, and what is expected at Shopify follows the order: cancelled units count as put
back. So everything is restocked where it was committed, but for orders cancelled as out of stock: those units are not
there, and what Shopify does not put back is found out by the next level, which compares. Of single units Shopify cannot
leave that out; the next level corrects it. A location that was closed takes nothing back.

**Money.** With `refund_cancelled` what was paid goes back the way it came. An authorisation is always let go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import structlog

from connectors.shopify.documents import Id, Record
from connectors.shopify.graph import Graph
from connectors.shopify.orders import gid, short
from connectors.shopify.payments import Payments
from connectors.shopify.refunds import failed, give, note
from connectors.shopify.standing import Desk, GivenBack, Standing
from connectors.shopify.writing import UserError, forbidden, said
from core.errors import BadDocument, Unauthorized, in_doubt
from core.model import Ack, AckState, Cancellation, CancelReason

REASONS: Mapping[CancelReason, str] = {
    CancelReason.BUYER: "CUSTOMER",
    CancelReason.OUT_OF_STOCK: "INVENTORY",
    CancelReason.ADDRESS: "OTHER",
    CancelReason.PRICE: "STAFF",
    CancelReason.FRAUD: "FRAUD",
    CancelReason.OTHER: "OTHER",
}
"""Shopify's reasons; a wrong price is its staff's mistake, an address it has none for."""

LONGEST_NOTE: Final = 255
JOBS_AT_ONCE: Final = 20

_log = structlog.get_logger()

CANCEL: Final = """mutation Cancel(
  $id: ID!, $reason: OrderCancelReason!, $restock: Boolean!, $notify: Boolean!,
  $money: OrderCancelRefundMethodInput, $note: String
) {
  orderCancel(
    orderId: $id, reason: $reason, restock: $restock, notifyCustomer: $notify, refundMethod: $money, staffNote: $note
  ) {
    job { id done } jobResult { id } orderCancelUserErrors { code field message }
  }
}"""


class Ticket(msgspec.Struct, forbid_unknown_fields=True):
    """What an accepted cancellation is settled by."""

    order: str
    job: str
    result: str = ""


class _Job(Record):
    id: str
    done: bool


class _Taken(Record):
    order_cancel_user_errors: list[UserError]
    job: _Job | None = None
    job_result: Id | None = None


class _Answer(Record):
    order_cancel: _Taken | None


def push(graph: Graph, cancellations: Sequence[Cancellation], *, notify: bool, money: bool) -> Iterator[Ack]:
    """One ack a cancellation. `notify` lets Shopify write to the buyers, `money` gives back what they paid."""
    desk = Desk(graph, [one.order for one in cancellations])
    for one in cancellations:
        try:
            ack = _cancelled(graph, desk, one, notify=notify and one.notify, money=money)
        except BadDocument as error:
            ack = _refused(one, str(error))
        yield ack


def _cancelled(graph: Graph, desk: Desk, one: Cancellation, *, notify: bool, money: bool) -> Ack:
    found = desk.look(one.order)
    verdict = _left_to_do(one, found)
    if isinstance(verdict, Ack) or found is None:
        return verdict if isinstance(verdict, Ack) else _refused(one, "Shopify does not know the order")
    desk.forget(one.order)
    try:
        if one.whole and _is_all(verdict, found):
            ack = _whole(graph, one, found, notify=notify, money=money)
        else:
            ack = _units(graph, one, found, verdict, notify=notify, money=money)
    except Unauthorized as error:
        return _refused(one, forbidden(error))
    if ack.state is AckState.REFUSED:  # perhaps it was done meanwhile
        again = _left_to_do(one, desk.look(one.order))
        if isinstance(again, Ack) and again.state is AckState.APPLIED:
            return again
    return ack


def _left_to_do(one: Cancellation, found: Standing | None) -> Ack | dict[str, int]:
    """Units by line that are still to be cancelled, or the ack where there are none."""
    if found is None:
        return _refused(one, "Shopify does not know the order")
    lines, shipped = found.lines, found.shipped()
    todo: dict[str, int] = {}
    for number, units in one.lines.items():
        if number not in lines:
            return _refused(one, f"Shopify knows no line {number} of the order")
        done = found.cancelled(lines[number], shipped[number])
        wanted = min(units, one.before.get(number, 0) + units - done)
        if wanted > lines[number].quantity - done - shipped[number]:
            return _refused(one, f"units of line {number} have shipped at Shopify")
        if wanted > 0:
            todo[number] = wanted
    return todo or Ack(key=one.key, state=AckState.APPLIED)


def _is_all(todo: Mapping[str, int], found: Standing) -> bool:
    """Whether these are all units of an order of which nothing has left."""
    shipped = found.shipped()
    if any(shipped.values()):
        return False
    return all(line.quantity - found.cancelled(line, 0) == todo.get(number, 0) for number, line in found.lines.items())


def _whole(graph: Graph, one: Cancellation, found: Standing, *, notify: bool, money: bool) -> Ack:
    sites = [place for number in found.lines for place, _ in found.work(number)]
    restock = one.reason is not CancelReason.OUT_OF_STOCK and all(place and place.is_active for place in sites)
    given = {
        "id": found.id,
        "reason": REASONS[one.reason],
        "restock": restock,
        "notify": notify,
        "money": {"originalPaymentMethodsRefund": True} if money else None,
        "note": note(one.note, one.key)[-LONGEST_NOTE:],
    }
    with in_doubt([one.key]):
        answer, problems = graph.tell(CANCEL, given, _Answer)
        taken = answer.order_cancel
        if taken is None or (taken.job is None and not taken.order_cancel_user_errors):
            raise graph.lost(problems)
    if taken.order_cancel_user_errors or taken.job is None:
        return _refused(one, f"Shopify refused to cancel the order ({said(taken.order_cancel_user_errors)})")
    ticket = Ticket(short(found.id), taken.job.id, taken.job_result.id if taken.job_result else "")
    return Ack(key=one.key, state=AckState.ACCEPTED, ticket=msgspec.json.encode(ticket).decode())


def _units(
    graph: Graph, one: Cancellation, found: Standing, todo: Mapping[str, int], *, notify: bool, money: bool
) -> Ack:
    rows: list[dict[str, Any]] = []
    shipped = found.shipped()
    for number, units in todo.items():
        for place, there in found.work(number):
            count = min(units, there)
            row = {"lineItemId": gid("LineItem", number), "quantity": count}
            if place is not None and place.is_active:
                rows.append(row | {"restockType": "CANCEL", "locationId": place.id})
            elif shipped[number] or not count:
                continue  # without restocking, Shopify would take the units that have left
            else:
                rows.append(row | {"restockType": "NO_RESTOCK"})
            units -= count
            if not units:
                break
        if units:
            return _refused(one, f"Shopify has no open work of {units} units of line {number} at an active location")
    given: dict[str, Any] = {
        "orderId": found.id,
        "note": note(one.note or "Cancelled", one.key),
        "notify": notify,
        "refundLineItems": rows,
        "transactions": [],
    }
    if money:
        payments = Payments(graph, found.id, rows)
        given |= {"currency": payments.currency, "transactions": payments.giving_as_suggested()}
    # What is left to do is part of the key: the rest of a cancellation is another request than all of it.
    body = hashlib.sha256(msgspec.json.encode([rows, given["transactions"]])).hexdigest()
    with in_doubt([one.key]):
        outcome = give(graph, given, f"{one.key}/{body}")
    if not isinstance(outcome, GivenBack):
        return _refused(one, f"Shopify refused to cancel the units ({outcome})")
    if not failed(outcome.transactions):
        return Ack(key=one.key, state=AckState.APPLIED)
    _log.warning("Units are cancelled and their money was not paid back; pay it at Shopify", order=one.order)
    reason = f"the payment provider did not pay back; open order {one.order} at Shopify and pay it there"
    return Ack(key=one.key, state=AckState.APPLIED, reason=reason)


def settle(graph: Graph, pending: Mapping[str, str]) -> Iterator[Ack]:
    """One ack for each cancelled order whose job has run."""
    tickets: dict[str, Ticket] = {}
    for key, text in pending.items():
        try:
            tickets[key] = msgspec.json.decode(text, type=Ticket)
        except (msgspec.DecodeError, UnicodeDecodeError):
            yield Ack(key=key, state=AckState.RETRY, reason="the ticket cannot be read; the order is looked at again")
    keys = list(tickets)
    for start in range(0, len(keys), JOBS_AT_ONCE):
        some = keys[start : start + JOBS_AT_ONCE]
        given: dict[str, Any] = {}
        for at, key in enumerate(some):
            ticket = tickets[key]
            given |= {f"j{at}": ticket.job, f"o{at}": gid("Order", ticket.order)}
            given |= {f"r{at}": ticket.result} if ticket.result else {}
        found = graph.ask(_settling(given), given, dict[str, _Seen | None])
        for at, key in enumerate(some):
            ack = _become(key, tickets[key], found.get(f"j{at}"), found.get(f"o{at}"), found.get(f"r{at}"))
            if ack is not None:
                yield ack


class _Seen(Record):
    """A job, an order or a job's result: whichever was asked for."""

    done: bool | None = None
    cancelled_at: str | None = None
    status: str | None = None
    errors: list[UserError] = msgspec.field(default_factory=list)


def _become(key: str, ticket: Ticket, job: _Seen | None, order: _Seen | None, result: _Seen | None) -> Ack | None:
    if order is not None and order.cancelled_at:
        return Ack(key=key, state=AckState.APPLIED)
    if job is None:
        return Ack(key=key, state=AckState.RETRY, reason="Shopify has forgotten the job; the order is looked at again")
    if not job.done:
        return None
    why = said(result.errors) if result is not None and result.errors else "its job has run and the order is open"
    reason = f"Shopify did not cancel the order ({why}); {_cure(ticket.order)}"
    return Ack(key=key, state=AckState.REFUSED, reason=reason)


_SETTLING: Final = {
    "j": "job(id: ${}) {{ done }}",
    "o": "order(id: ${}) {{ cancelledAt }}",
    "r": "node(id: ${}) {{ ... on OrderCancelJobResult {{ status errors {{ code message }} }} }}",
}


def _settling(given: Mapping[str, str]) -> str:
    """Asks for jobs, orders and results, each under the name its id is given by."""
    variables = ", ".join(f"${name}: ID!" for name in given)
    parts = "\n".join(f"  {name}: {_SETTLING[name[0]].format(name)}" for name in given)
    return f"query Settle({variables}) {{\n{parts}\n}}"


def _refused(one: Cancellation, what: str) -> Ack:
    return Ack(key=one.key, state=AckState.REFUSED, reason=f"{what}; {_cure(one.order)}")


def _cure(order: str) -> str:
    return f"look order {order} up at Shopify and cancel there what is still open"
