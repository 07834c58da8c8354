"""Orders that their channel does not know any more, and those of them that it shows after all."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from core.store.database import Store, Tx
from core.store.tables.orders import ASKS_A_PERSON
from core.sync.channel import Channel
from core.sync.rows import tell

GONE = "gone at the channel"
"""The timeline's word for an order its channel does not know any more."""

KNOWN_AGAIN = "known at the channel again"
"""And for one that it shows after all."""

ASKS = ", ".join(f"'{event}'" for event in ASKS_A_PERSON)
"""SQL: the events of the small partial index, as it names them."""


def note_known(store: Store, channel: Channel, numbers: Collection[str], now: int) -> None:
    """The channel shows these orders: on the timelines of those that it did not know any more."""
    one = next(iter(numbers)) if len(numbers) == 1 else None
    with store.read() as tx:
        gone = [row.id for row in _gone(tx, channel, one) if row.number in numbers]

    def work(tx: Tx) -> None:
        channel.fence(tx)
        still = {row.id for row in _gone(tx, channel, one)}
        tell(tx, [(id, KNOWN_AGAIN, "it shows the order after all") for id in gone if id in still], channel, now)

    if gone:
        store.transact(work)


def _gone(tx: Tx, channel: Channel, number: str | None = None) -> Sequence[Any]:
    """The channel's orders, or the one of this number, that it does not know and has not shown since.

    One is found by its number, all of them by the index of what asks for a person, which may be long.
    """
    return tx.rows(
        "SELECT DISTINCT o.id, o.number FROM audit a JOIN orders o ON o.id = a.order_id WHERE o.channel_id = :channel"
        f" AND {f'a.event IN ({ASKS})' if number is None else 'o.number = :number'} AND a.event = '{GONE}'"
        f" AND a.at >= o.observed_at AND NOT EXISTS (SELECT 1 FROM audit k WHERE k.order_id = a.order_id"
        f"  AND k.event = '{KNOWN_AGAIN}' AND k.id > a.id)",
        channel=channel.id,
        **({} if number is None else {"number": number}),
    )


def mark_gone(store: Store, channel: Channel, number: str, now: int) -> None:
    """The channel does not know the order: on its timeline, once until it shows it again."""

    def work(tx: Tx) -> None:
        channel.fence(tx)
        id = tx.value(
            "SELECT id FROM orders WHERE channel_id = :channel AND number = :number", channel=channel.id, number=number
        )
        if not _gone(tx, channel, number):
            tell(tx, [(id, GONE, "it does not know the order any more")], channel, now)

    store.transact(work)
