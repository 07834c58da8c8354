"""Returns as their channel tells them: pulled, kept, and told on their orders' timelines.

What a channel says of a return moves no stock: units count again when a person has them in hand. A return whose order
is not here is kept all the same; the two are found together by the order's number once both are there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from core.connector import Ability
from core.errors import BadDocument
from core.model import Observation, Page, Return, instant, micros
from core.store import tables
from core.store.database import Store, Tx
from core.sync.channel import Channel, Clock
from core.sync.observe import clean, digest
from core.sync.rows import tell

PULL_SECONDS = 300
"""How often a channel is asked for its returns: nobody waits for one as for an order."""


class _Read(NamedTuple):
    """A document of a return that reads well."""

    number: str
    body: bytes
    found: Return


class _Unread(NamedTuple):
    number: str
    body: bytes
    reason: str


def pull_returns(store: Store, channel: Channel, clock: Clock) -> int:
    """Takes in the returns that changed, where it is time to; returns how many were new or newer.

    Each page and the position behind it are one transaction. Raises what the connector raises.
    """
    if Ability.RETURNS not in channel.connector.abilities:
        return 0
    with store.read() as tx:
        row = tx.row("SELECT returns_cursor, returns_read FROM channels WHERE id = :id", id=channel.id)
    if row.returns_read is not None and clock() - row.returns_read < PULL_SECONDS * 1_000_000:
        return 0
    began = clock()
    taken = 0
    since = channel.settings.since(instant(began))
    for page in channel.connector.returns(row.returns_cursor, since=since):
        taken += take_returns(store, channel, page, began, clock())

    def done(tx: Tx) -> None:
        channel.fence(tx)
        tx.run("UPDATE channels SET returns_read = :now WHERE id = :id", now=began, id=channel.id)

    store.transact(done)
    return taken


def take_returns(
    store: Store, channel: Channel, page: Page, observed_at: int, now: int, *, move: bool = True
) -> int:  # fmt: skip
    """Takes a page of returns in; returns how many were new or newer. One that cannot be read is set aside."""
    read, unread = _read(channel, page.observations)
    cursor = page.cursor if move else None

    def work(tx: Tx) -> int:
        channel.fence(tx)
        taken = _store(tx, channel, read, observed_at, now)
        _set_aside(tx, channel, unread, observed_at)
        _resolve(tx, channel, list(read), observed_at, now)
        tx.run("UPDATE channels SET returns_cursor = COALESCE(:cursor, returns_cursor) WHERE id = :id",
               cursor=cursor, id=channel.id)  # fmt: skip
        return taken

    return store.transact(work)


def _read(channel: Channel, observations: Sequence[Observation]) -> tuple[dict[str, _Read], list[_Unread]]:
    """The newest document of each return, and those that cannot be read."""
    read: dict[str, _Read] = {}
    unread = []
    for one in observations:
        try:
            found = channel.connector.normalize_return(one.body)
        except BadDocument as error:
            unread.append(_Unread(clean(one.number), one.body, clean(str(error))))
            continue
        known = read.get(found.number)
        if known is None or known.found.version <= found.version:
            read[clean(found.number)] = _Read(clean(found.number), one.body, found)
    return read, unread


def _store(tx: Tx, channel: Channel, read: Mapping[str, _Read], observed_at: int, now: int) -> int:
    known = {
        row.number: row
        for row in tx.rows(
            "SELECT * FROM returns WHERE channel_id = :channel AND number IN :numbers ORDER BY id /*lock*/",
            channel=channel.id,
            numbers=list(read),
        )
    }
    newer = [one for number, one in sorted(read.items()) if _is_newer(one, known.get(number), observed_at)]
    fresh = iter(tx.ids(tables.returns, sum(one.number not in known for one in newer)))
    ids = {one.number: known[one.number].id if one.number in known else next(fresh) for one in newer}
    tx.insert(
        tables.returns,
        ("id", "channel_id", "number", *_COLUMNS),
        [(ids[one.number], channel.id, one.number, *_values(one, observed_at, now)) for one in newer],
        "ON CONFLICT (channel_id, number) DO UPDATE SET " + ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS),
    )
    tx.run("DELETE FROM return_lines WHERE return_id IN :ids", ids=sorted(ids.values()))
    tx.insert(
        tables.return_lines,
        ("return_id", "number", "order_line", "sku", "quantity", "refunded", "reason"),
        [
            (ids[one.number], line.number, line.order_line, clean(line.sku), line.quantity, line.refunded,
             clean(line.reason))
            for one in newer
            for line in one.found.lines
        ],
    )  # fmt: skip
    _tell(tx, channel, newer, known, now)
    return len(newer)


_COLUMNS = (
    "order_number", "version", "observed_at", "digest", "body", "state", "requested_at", "updated_at", "carrier",
    "tracking",
)  # fmt: skip


def _values(one: _Read, observed_at: int, now: int) -> tuple[Any, ...]:
    found = one.found
    return (
        clean(found.order),
        found.version,
        observed_at,
        digest(one.body),
        one.body,
        found.state.value,
        micros(found.requested_at),
        now,
        clean(found.carrier),
        clean(found.tracking),
    )


def _is_newer(one: _Read, row: Any, observed_at: int) -> bool:
    if row is None or one.found.version != row.version:
        return row is None or bool(one.found.version > row.version)
    return digest(one.body) != bytes(row.digest) and bool(observed_at > row.observed_at)


def _tell(tx: Tx, channel: Channel, newer: Sequence[_Read], known: Mapping[str, Any], now: int) -> None:
    """The orders' timelines: a return that came, or came to another state."""
    orders = {
        row.number: row.id
        for row in tx.rows(
            "SELECT id, number FROM orders WHERE channel_id = :channel AND number IN :numbers",
            channel=channel.id,
            numbers=sorted({clean(one.found.order) for one in newer}),
        )
    }
    events = [
        (orders[clean(one.found.order)], f"return {one.found.state.value}".replace("_", " "), _told(one.found))
        for one in newer
        if clean(one.found.order) in orders
        and (one.number not in known or known[one.number].state != one.found.state.value)
    ]
    tell(tx, events, channel, now)


def _told(found: Return) -> str:
    units = ", ".join(f"{line.quantity} of {line.sku or line.order_line}" for line in found.lines)
    return clean(f"{found.number}: {units}")


def _set_aside(tx: Tx, channel: Channel, unread: Sequence[_Unread], observed_at: int) -> None:
    rows = {digest(one.body): one for one in unread}
    tx.insert(
        tables.quarantine,
        ("channel_id", "kind", "number", "digest", "body", "reason", "observed_at"),
        [
            (channel.id, "return", one.number, mark, one.body, one.reason, observed_at)
            for mark, one in sorted(rows.items())
        ],
        "ON CONFLICT (channel_id, digest) DO UPDATE SET reason = excluded.reason, state = 'open',"
        " observed_at = excluded.observed_at, resolved_at = NULL",
    )


def _resolve(tx: Tx, channel: Channel, numbers: list[str], observed_at: int, now: int) -> None:
    """A return that reads well by now needs nobody to look at its older documents."""
    tx.run(
        "UPDATE quarantine SET state = 'resolved', resolved_at = :now WHERE channel_id = :channel"
        " AND kind = 'return' AND state = 'open' AND observed_at <= :observed_at AND number IN :numbers",
        channel=channel.id,
        now=now,
        observed_at=observed_at,
        numbers=numbers,
    )


def reread_return(store: Store, channel: Channel, row: Any, clock: Clock) -> str:
    """Reads a return that was set aside once more, as it was stored; returns what became of it."""
    body = bytes(row.body)
    try:
        channel.connector.normalize_return(body)
    except BadDocument as error:
        return f"still set aside: {error}"
    page = Page(observations=(Observation(number=row.number, body=body),), cursor="")
    stored = take_returns(store, channel, page, row.observed_at, clock(), move=False)

    def resolve(tx: Tx) -> None:
        channel.fence(tx)
        tx.run("UPDATE quarantine SET state = 'resolved', resolved_at = :now WHERE id = :id", now=clock(), id=row.id)

    store.transact(resolve)
    return "stored" if stored else "unchanged"
