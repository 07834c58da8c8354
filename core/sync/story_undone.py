"""What of an order was cancelled here or paid back, as its story tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from core.model import Cancellation, Refund
from core.store.database import Tx
from core.sync.rows import millionths
from core.sync.said import amount_of, decoded


class CalledOff(msgspec.Struct, kw_only=True):
    """Units cancelled here, and how far the channel has been told of it."""

    push: int
    decided_at: int
    reason: str
    """Why they do not ship."""
    whole: bool
    lines: list[dict[str, Any]]
    state: str
    """Of the push: confirmed once the channel itself shows them as cancelled."""
    refusal: str


class GivenBack(msgspec.Struct, kw_only=True):
    """Money the buyer has back, or is to have."""

    number: str
    """The channel's; empty while it has none."""
    at: int
    """When it was given, else when it was decided."""
    amount: int
    """In millionths of the order's currency."""
    origin: str
    """ours or channel."""
    reason: str
    lines: list[dict[str, Any]]
    push: int | None
    state: str
    """Of the push: given once the channel shows it; of what the channel did by itself always given."""
    refusal: str


def called_off(row: Any, skus: Mapping[str, str]) -> CalledOff:
    words = decoded(row.argument, Cancellation)
    return CalledOff(
        push=row.id,
        decided_at=row.created_at,
        reason=words.reason.value,
        whole=words.whole,
        lines=_named(words.lines, skus),
        state=row.state,
        refusal=row.reason,
    )


def refunds_of(tx: Tx, order_id: int, skus: Mapping[str, str], pushes: Sequence[Any]) -> list[GivenBack]:
    """What the channel shows as given, then what was decided here and is not given yet."""
    decided = {row.id: row for row in pushes if row.kind == "refund"}
    found = []
    for row in tx.rows("SELECT * FROM refunds WHERE order_id = :id ORDER BY at, id", id=order_id):
        push = decided.pop(row.push_id, None)
        found.append(
            GivenBack(
                number=row.number,
                at=row.at,
                amount=row.amount,
                origin=row.origin,
                reason=decoded(push.argument, Refund).reason.value if push else "",
                lines=_named(msgspec.json.decode(row.lines, type=dict[str, int]), skus),
                push=push.id if push else None,
                state="given",
                refusal="",
            )
        )
    for push in decided.values():
        words = decoded(push.argument, Refund)
        found.append(
            GivenBack(
                number=push.ticket,
                at=push.created_at,
                amount=millionths(amount_of(words)),
                origin="ours",
                reason=words.reason.value,
                lines=_named({line: one.quantity for line, one in words.lines.items() if one.quantity}, skus),
                push=push.id,
                state=push.state,
                refusal=push.reason,
            )
        )
    return found


def _named(lines: Mapping[str, int], skus: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"line": line, "sku": skus.get(line, ""), "quantity": count} for line, count in lines.items()]
