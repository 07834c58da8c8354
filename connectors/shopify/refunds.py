"""Giving money back.

`refundCreate` wants a key: made of our refund's own key, it is the same whenever the same refund is told, and Shopify
answers a repeat with what it did at first. Shopify forgets keys after a while, so the order is looked at before: each
refund of ours carries its key in its note, and one that is there is not made again. A key whose request failed is used
up; the next one follows from it.

Money and units are told apart. Units are named where they can still be refunded, so that Shopify's own reports are
right, and never restocked: what comes back is counted where it arrives. Each amount is ours; it is given back over the
payments the buyer made, never more than is left of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from connectors.shopify.documents import Nodes, Record
from connectors.shopify.graph import Graph
from connectors.shopify.orders import gid, short
from connectors.shopify.payments import Payments
from connectors.shopify.standing import Desk, GivenBack, Standing, Transfer
from connectors.shopify.writing import UserError, forbidden, said
from core.errors import BadDocument, Unauthorized, in_doubt
from core.model import ZERO, Ack, AckState, Refund, RefundReason

ATTEMPTS: Final = 5
"""Keys tried of one refund at a time."""

LONGEST_NOTE: Final = 200

REASONS: Mapping[RefundReason, tuple[str, str]] = {
    RefundReason.RETURNED: ("Returned", "OTHER"),
    RefundReason.NOT_RECEIVED: ("Not received", "OTHER"),
    RefundReason.DAMAGED: ("Damaged", "DAMAGE"),
    RefundReason.WRONG_ITEM: ("Wrong item", "OTHER"),
    RefundReason.PRICE: ("Price", "OTHER"),
    RefundReason.CANCELLED: ("Cancelled", "OTHER"),
    RefundReason.GOODWILL: ("Goodwill", "CUSTOMER"),
    RefundReason.OTHER: ("", "OTHER"),
}
"""What the refund's note says, and Shopify's reason where the amount is not the one it would have suggested."""

DOCUMENT: Final = """mutation GiveBack($input: RefundInput!, $key: String!) {
  refundCreate(input: $input) @idempotent(key: $key) {
    refund { id note transactions(first: 9) { nodes { status } } }
    userErrors { field message }
  }
}"""

_USED_UP = "new idempotency key"
_AT_IT = "currently in progress"
_OTHER_BODY = "different operation parameters"
"""By these words of its messages Shopify tells what became of a key: the errors of a refund have no codes."""


class _Made(Record):
    user_errors: list[UserError]
    refund: GivenBack | None = None


class _Answer(Record):
    refund_create: _Made | None


def push(graph: Graph, refunds: Sequence[Refund], *, notify: bool) -> Iterator[Ack]:
    """One ack a refund; `notify` lets Shopify write to the buyers."""
    desk = Desk(graph, [refund.order for refund in refunds])
    for refund in refunds:
        try:
            found = desk.look(refund.order)
        except BadDocument as error:
            yield _refused(refund, str(error))
            continue
        yield _given(graph, refund, found, notify=notify)
        desk.forget(refund.order)


def _given(graph: Graph, refund: Refund, found: Standing | None, *, notify: bool) -> Ack:
    if found is None:
        return _refused(refund, "Shopify does not know the order")
    before = made(found.refunds, refund.key)
    if before is not None:
        return _settled(refund, before)
    unknown = sorted(set(refund.lines) - found.lines.keys())
    if unknown:
        return _refused(refund, f"Shopify knows no line {', '.join(unknown)} of the order")
    amount = refund.shipping + sum((line.amount + line.tax for line in refund.lines.values()), ZERO)
    rows = [
        {"lineItemId": gid("LineItem", number), "quantity": units, "restockType": "NO_RESTOCK"}
        for number, line in refund.lines.items()
        if (units := min(line.quantity, found.lines[number].refundable_quantity)) > 0
    ]
    payments = Payments(graph, found.id, rows, refund.shipping)
    due = payments.converted(amount)
    if due > payments.left:
        return _refused(refund, f"only {payments.left:f} {payments.currency} of what was paid is left to give back")
    given: dict[str, Any] = {
        "orderId": found.id,
        "currency": payments.currency,
        "note": note(refund.note or REASONS[refund.reason][0], refund.key),
        "notify": notify and refund.notify,
        "refundLineItems": rows,
        "transactions": payments.giving(due),
    }
    if refund.shipping:
        given["shipping"] = {"amount": f"{payments.converted(refund.shipping):f}"}
    if amount != payments.suggested:
        given["discrepancyReason"] = REASONS[refund.reason][1]
    try:
        with in_doubt([refund.key]):
            outcome = give(graph, given, refund.key)
    except Unauthorized as error:
        return _refused(refund, forbidden(error))
    if isinstance(outcome, GivenBack):
        return _settled(refund, outcome)
    again = Desk(graph, ()).look(refund.order)
    late = made(again.refunds, refund.key) if again else None
    if late is not None:
        return _settled(refund, late)
    if _AT_IT in outcome:
        return Ack(key=refund.key, state=AckState.RETRY, reason="Shopify is still at an earlier try of this refund")
    return _refused(refund, f"Shopify refused the refund ({outcome})")


def give(graph: Graph, given: Mapping[str, Any], key: str) -> GivenBack | str:
    """Makes one refund, with the next key after a failed one; else what Shopify said."""
    what = ""
    for attempt in range(ATTEMPTS):
        named = hashlib.sha256(f"{key}/{attempt}".encode()).hexdigest()[:40]
        answer, problems = graph.tell(DOCUMENT, {"input": given, "key": named}, _Answer, safe=True)
        if problems or answer.refund_create is None:
            raise graph.lost(problems)
        if answer.refund_create.refund is not None and not answer.refund_create.user_errors:
            return answer.refund_create.refund
        what = said(answer.refund_create.user_errors)
        if _USED_UP not in what:
            break
    return what


def note(text: str, key: str) -> str:
    """What a refund says of itself; `made` knows it again by its end."""
    return f"{text[:LONGEST_NOTE]} {_mark(key)}".strip()


def made(refunds: Sequence[GivenBack], key: str) -> GivenBack | None:
    """The refund among these that was made for `key`."""
    return next((one for one in refunds if (one.note or "").endswith(_mark(key))), None)


def _mark(key: str) -> str:
    return f"[ordersync {key}]"


def failed(transactions: Nodes[Transfer]) -> bool:
    """Whether the payment provider did not pay."""
    return any(one.status in ("FAILURE", "ERROR") for one in transactions.nodes)


def _settled(refund: Refund, there: GivenBack) -> Ack:
    if failed(there.transactions):
        what = "Shopify keeps the refund and the payment provider did not pay it"
        reason = f"{what}; open order {refund.order} at Shopify and pay it there"
        return Ack(key=refund.key, state=AckState.REFUSED, reason=reason)
    return Ack(key=refund.key, state=AckState.APPLIED, ticket=short(there.id))


def _refused(refund: Refund, what: str) -> Ack:
    reason = f"{what}; compare order {refund.order} at Shopify, then refund it there or give another amount here"
    return Ack(key=refund.key, state=AckState.REFUSED, reason=reason)
