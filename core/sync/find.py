"""Orders by what people call them: our id, the channel's number, its name, or CHANNEL:NUMBER."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.errors import UserError
from core.store.database import Store, Tx

_MATCHING = """
SELECT o.*, c.name AS channel FROM orders o JOIN channels c ON c.id = o.channel_id
WHERE (:channel = '' OR c.name = :channel) AND (o.id = :id OR o.number = :text OR o.name = :text)
ORDER BY o.id LIMIT 10
"""

_ID_DIGITS = 18
"""So many digits always fit a 64-bit column."""


def find_order(tx: Tx, text: str) -> Any:
    """The one order `text` names: its row, with the channel's name as `channel`.

    Raises `UserError` when there is none, and when there are several, naming them as CHANNEL:NUMBER.
    """
    channel, _, number = text.partition(":")
    exact = number and tx.row(
        "SELECT o.*, c.name AS channel FROM orders o JOIN channels c ON c.id = o.channel_id"
        " WHERE c.name = :channel AND o.number = :number",
        channel=channel,
        number=number,
    )
    if exact:
        return exact
    found = tx.rows(_MATCHING, channel="", id=_as_id(text), text=text)
    if not found:
        raise UserError(f"no order is called {text!r}; see `ordersync orders`, or `ordersync resync CHANNEL {text}`")
    if len(found) > 1:
        several = ", ".join(f"{row.channel}:{row.number}" for row in found)
        raise UserError(f"{text!r} names several orders; write one of {several}")
    return found[0]


def numbers_at(store: Store, channel: str, texts: Sequence[str]) -> list[str]:
    """The channel's own number of each order named; a text that names no order here is taken for such a number.

    Raises `UserError` when a text names several orders of the channel.
    """
    numbers = []
    with store.read() as tx:
        for text in texts:
            own = text.removeprefix(f"{channel}:")
            found = tx.rows(_MATCHING, channel=channel, id=_as_id(own), text=own)
            exact = [row.number for row in found if row.number == own]
            if len(found) > 1 and not exact:
                several = ", ".join(f"{row.channel}:{row.number}" for row in found)
                raise UserError(f"{text!r} names several orders; write one of {several}")
            numbers.append(exact[0] if exact else found[0].number if found else own)
    return list(dict.fromkeys(numbers))


def _as_id(text: str) -> int:
    """`text` as one of our ids, -1 where it can be none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _ID_DIGITS else -1
