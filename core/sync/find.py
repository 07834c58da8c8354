"""Orders by what people call them: our id, the channel's number or its name, each also as CHANNEL:ORDER."""

from __future__ import annotations

import shlex
from collections import Counter
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

    CHANNEL: before it says whose order is meant; a number wins over a name of the same text. Raises `UserError` when
    there is none, and when there are several, saying which channels have them and how to write each.
    """
    channel, _, own = text.partition(":")
    found = _of_channel(tx, channel, own) if own else []
    if text and not found:
        found = tx.rows(_MATCHING, channel="", id=_as_id(text), text=text)
    if not found:
        raise _nothing(tx, text)
    if len(found) > 1:
        raise _several(text, own if found[0].channel == channel and own else text, found)
    return found[0]


def _of_channel(tx: Tx, channel: str, text: str) -> Sequence[Any]:
    """A channel's orders that `text` names; only the one with that number, where there is one."""
    found = tx.rows(_MATCHING, channel=channel, id=_as_id(text), text=text) if channel else []
    return [row for row in found if row.number == text] or found


def _nothing(tx: Tx, text: str) -> UserError:
    channel, _, own = text.partition(":")
    if own and tx.row("SELECT 1 FROM channels WHERE name = :name", name=channel) is not None:
        see = f"see `ordersync orders --channel {channel}`, or `ordersync resync {channel} {shlex.quote(own)}`"
        return UserError(f"no order of {channel} is called {own!r}; {see}")
    if not text.strip():
        return UserError("an order has a name; see `ordersync orders`")
    again = f"`ordersync resync CHANNEL {shlex.quote(text)}`"
    return UserError(f"no order is called {text!r}; see `ordersync orders`, or {again}")


def _several(text: str, own: str, found: Sequence[Any]) -> UserError:
    """`own`: the text without the channel before it."""
    count = Counter(row.channel for row in found)
    ways = [f"{row.channel}:{own if count[row.channel] == 1 else row.number}" for row in found]
    where = ", ".join(f"{many} at {channel}" for channel, many in count.items())
    return UserError(f"{text!r} names several orders, {where}; write one of {', '.join(ways)}")


def numbers_at(store: Store, channel: str, texts: Sequence[str]) -> list[str]:
    """The channel's own number of each order named; a text that names no order here is taken for such a number.

    Raises `UserError` when a text names several orders of the channel.
    """
    numbers = []
    with store.read() as tx:
        for text in texts:
            own = text.removeprefix(f"{channel}:")
            found = _of_channel(tx, channel, own)
            if len(found) > 1:
                raise _several(text, own, found)
            numbers.append(found[0].number if found else own)
    return list(dict.fromkeys(numbers))


def _as_id(text: str) -> int:
    """`text` as one of our ids, -1 where it can be none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _ID_DIGITS else -1
