"""Buffers that follow demand: what is sold where, how long each channel takes, and what that makes of the buffers.

Nothing of it is counted while no channel's buffer follows demand, and no page of orders waits for it: every ten minutes
the lines that came since are read by their ids.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Any

import msgspec

from core.demand import Sold, needed, note_lags, percentile, rate, sell
from core.levels import Rule
from core.settings import ChannelSettings
from core.store import tables
from core.store.catalogue import parts_of
from core.store.database import Store, Tx
from core.store.moves import touch
from core.sync.channel import Channel
from core.sync.work import SECOND

LEARN_SECONDS = 600
"""How often demand and buffers are counted anew."""

BATCH = 20_000
"""Order lines counted in one transaction."""

MOST_BATCHES = 10
"""Of one sitting: the past of a store that is new to this is worked off in several."""

SETTLED_SECONDS = 60
"""Lines younger than this wait: ids are handed out before they are stored."""

LONGEST_LAG = 3600
"""Seconds: what took longer was an outage or the past, and says nothing of an ordinary day."""

_SAMPLES = 20
"""Levels of one push that are counted: they went together."""

_COUNTS = msgspec.json.Decoder(dict[int, int])


def note_told(tx: Tx, channel: Channel, falls: Sequence[float]) -> None:
    """Counts how many seconds levels that fell took until the channel had applied them.

    Only for a channel whose buffer follows demand.
    """
    if channel.settings.buffer == "auto":
        _note(tx, "told", {channel.id: falls[:: len(falls) // _SAMPLES + 1]})


def _note(tx: Tx, which: str, lags: Mapping[int, Iterable[float]]) -> None:
    """Counts lags in, by channel; those that are too long for an ordinary day are left out."""
    found = {id: [lag for lag in some if 0 <= lag <= LONGEST_LAG] for id, some in lags.items()}
    found = {id: some for id, some in found.items() if some}
    if not found:
        return
    tx.insert(tables.windows, ("channel_id",), [(id,) for id in sorted(found)], "ON CONFLICT DO NOTHING")
    rows = tx.rows(
        f"SELECT channel_id, {which} AS counts FROM windows WHERE channel_id IN :ids ORDER BY channel_id /*lock*/",
        ids=sorted(found),
    )
    changes = [
        (row.channel_id, msgspec.json.encode(note_lags(_COUNTS.decode(row.counts), found[row.channel_id])).decode())
        for row in rows
    ]
    tx.update(tables.windows, ("channel_id",), (which,), changes)


def learn(store: Store, channels: Mapping[str, ChannelSettings], by: Mapping[int, Rule], now: int) -> None:
    """Counts demand and computes buffers, where a channel's buffer follows it and the last time is long enough ago.

    `by`: the rules of the channels by id. Items whose buffer has changed are touched.
    """
    if all(rule.quantile is None for rule in by.values()):
        return
    with store.read() as tx:
        last = tx.value("SELECT at FROM marks WHERE name = 'demand'")
    if last is not None and now - last < LEARN_SECONDS * SECOND:
        return
    for _ in range(MOST_BATCHES):
        if store.transact(lambda tx: _count(tx, now)) < BATCH:
            break
    with store.read() as tx:
        wanted = _compute(tx, channels, by, now)
    store.transact(lambda tx: _write(tx, wanted))


def _count(tx: Tx, now: int) -> int:
    """Counts the next order lines; returns how many there were."""
    tx.alone("demand")
    tx.run("INSERT INTO marks (name) VALUES ('demand') ON CONFLICT DO NOTHING")
    reached = tx.value("SELECT reached FROM marks WHERE name = 'demand'")
    lines = tx.rows(
        "SELECT l.id, l.item_id, l.ordered, l.order_id, o.channel_id, o.placed_at, o.imported_at, o.test, o.fulfiller"
        " FROM lines l JOIN orders o ON o.id = l.order_id WHERE l.id > :reached ORDER BY l.id LIMIT :batch",
        reached=reached,
        batch=BATCH,
    )
    # Not one is passed over: an old order may have got a line since that has a higher id than those that wait still.
    settled = now - SETTLED_SECONDS * SECOND
    lines = list(takewhile(lambda line: line.imported_at < settled, lines))
    if lines:
        ours = [line for line in lines if line.fulfiller == "merchant" and not line.test]
        _sell(tx, [line for line in ours if line.item_id is not None and line.ordered])
        seen = {line.order_id: line for line in ours}
        lags: defaultdict[int, list[float]] = defaultdict(list)
        for line in seen.values():
            lags[line.channel_id].append((line.imported_at - line.placed_at) / SECOND)
        _note(tx, "intake", lags)
    reached = lines[-1].id if lines else reached
    tx.run("UPDATE marks SET reached = :reached, at = :now WHERE name = 'demand'", reached=reached, now=now)
    return len(lines)


_SUMS = ("slow_units", "slow_squares", "fast_units", "fast_squares")


def _sell(tx: Tx, lines: Sequence[Any]) -> None:
    parts = parts_of(tx, {line.item_id for line in lines})
    items = sorted({item for found in parts.values() for item, _ in found})
    rows = tx.rows("SELECT * FROM demand WHERE item_id IN :items", items=items)
    found = {(row.item_id, row.channel_id): _sold(row) for row in rows}
    for line in sorted(lines, key=lambda line: (line.placed_at, line.id)):
        at = line.placed_at / SECOND
        for item, per in parts[line.item_id]:
            key = item, line.channel_id
            found[key] = sell(found.get(key) or Sold(at, at), line.ordered * per, at)
    tx.insert(
        tables.demand,
        ("item_id", "channel_id", "at", "since", *_SUMS),
        [
            (*key, round(one.at * SECOND), round(one.since * SECOND),
             *(round(sum * 1_000_000) for sum in (*one.slow, *one.fast)))
            for key, one in sorted(found.items())
        ],
        "ON CONFLICT (item_id, channel_id) DO UPDATE SET "
        + ", ".join(f"{name} = excluded.{name}" for name in ("at", "since", *_SUMS)),
    )  # fmt: skip


def _sold(row: Any) -> Sold:
    slow = row.slow_units / 1_000_000, row.slow_squares / 1_000_000
    fast = row.fast_units / 1_000_000, row.fast_squares / 1_000_000
    return Sold(row.at / SECOND, row.since / SECOND, slow, fast)


def _compute(
    tx: Tx, channels: Mapping[str, ChannelSettings], by: Mapping[int, Rule], now: int
) -> dict[tuple[int, int], int]:
    """Units by channel and item; those that come to none are left out. Long work: nobody waits for this reading."""
    spans = window_of(tx, channels, by)
    rates = rates_of(tx, now)
    wanted = {}
    for channel, rule in by.items():
        for item, sold in rates.items() if rule.quantile is not None else ():
            units = buffer_for(channel, sold, spans[channel], rule.quantile or 0.0)
            if units:
                wanted[channel, item] = units
    return wanted


def _write(tx: Tx, wanted: Mapping[tuple[int, int], int]) -> None:
    """Writes the buffers that are not as they are stored, and touches their items."""
    tx.alone("demand")
    was = {(row.channel_id, row.item_id): row.units for row in tx.rows("SELECT * FROM buffers")}
    changed = {key: units for key, units in wanted.items() if was.get(key) != units}
    gone = sorted(key for key in was if key not in wanted)
    tx.insert(
        tables.buffers,
        ("channel_id", "item_id", "units"),
        [(*key, units) for key, units in sorted(changed.items())],
        "ON CONFLICT (channel_id, item_id) DO UPDATE SET units = excluded.units",
    )
    for channel in sorted({channel for channel, _ in gone}):
        items = [item for one, item in gone if one == channel]
        tx.run("DELETE FROM buffers WHERE channel_id = :channel AND item_id IN :items", channel=channel, items=items)
    touch(tx, {item for _, item in (*changed, *gone)})


def rates_of(tx: Tx, now: int, items: Sequence[int] | None = None) -> dict[int, dict[int, tuple[float, float]]]:
    """Units a second that are sold, and their variance, by item and channel; of all items where none are named."""
    rates: defaultdict[int, dict[int, tuple[float, float]]] = defaultdict(dict)
    which = "" if items is None else " WHERE item_id IN :items"
    for row in tx.rows(f"SELECT * FROM demand{which}", **({} if items is None else {"items": list(items)})):
        rates[row.item_id][row.channel_id] = rate(_sold(row), now / SECOND)
    return rates


def buffer_for(channel: int, sold: Mapping[int, tuple[float, float]], window: float, quantile: float) -> int:
    """The units of an item a channel must not offer. `sold`: its rates by channel; a channel's own sales lower its own
    level at once, so only those of the others count."""
    others = [rate for one, rate in sold.items() if one != channel]
    mean, variance = (sum(some) * window for some in zip(*others, strict=True)) if others else (0.0, 0.0)
    return needed(mean, max(mean, variance), quantile)


def window_of(tx: Tx, channels: Mapping[str, ChannelSettings], by: Mapping[int, Rule]) -> dict[int, float]:
    """Seconds from an order at another channel until a channel has accepted the lower level: by channel.

    The slowest of the others' intakes, then the channel's own answers, each so long as 95 of a hundred take. What was
    not measured yet is taken as a poll apart.
    """
    polls = {
        row.id: float(channels[row.name].poll_seconds)
        for row in tx.rows("SELECT id, name FROM channels")
        if row.name in channels
    }
    rows = {row.channel_id: row for row in tx.rows("SELECT * FROM windows")}

    def measured(channel: int, which: str) -> float:
        found = percentile(_COUNTS.decode(getattr(rows[channel], which)), 0.95) if channel in rows else None
        return found if found is not None else polls.get(channel, 60.0)

    return {
        channel: max((measured(one, "intake") for one in polls if one != channel), default=0.0)
        + measured(channel, "told")
        for channel in by
    }
