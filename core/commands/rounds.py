"""`ordersync round` and `ordersync resync`: a turn now, here or by the daemon that holds the store."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Annotated, Any

import msgspec
import typer
from rich.progress import Progress

from core.commands import given, show
from core.commands.edge import NeedsAttention, tell
from core.commands.given import Channel, Channels, Config, Json
from core.commands.warehouse_rounds import HouseDone, turns
from core.connector import find
from core.errors import UserError
from core.model import micros
from core.settings import Settings
from core.store.database import Store
from core.sync.ask import Watch, answers, ask_levels, ask_orders, ask_since, ask_turn, channel_row
from core.sync.channel import clock, take_up
from core.sync.find import numbers_at
from core.sync.mapping import read_again
from core.sync.pull import Stopped
from core.sync.round import Outcome
from core.sync.take_in import Counts
from core.sync.turn import Trouble, read_now, turn
from core.sync.work import due_now

AT_ONCE = 16
"""Channels worked on side by side."""

LOOK_SECONDS = 0.2
"""Between two looks at what the daemon has done."""

Wait = Annotated[
    int, typer.Option("--wait", metavar="SECONDS", min=0, help="How long to wait for a daemon that does the work.")
]


class Done(msgspec.Struct, kw_only=True, omit_defaults=False):
    """What one channel's turn did. Counts a daemon does not tell are null."""

    channel: str
    state: str = "ok"
    """ok, unavailable or parked."""
    reason: str = ""
    by: str = "here"
    """here or daemon."""
    received: int = 0
    stored: int = 0
    repeated: int = 0
    quarantined: int = 0
    listings: int | None = None
    taken_back: int | None = None
    expired: int | None = None
    held: int | None = None
    lifted: int | None = None
    resumed: int | None = None
    given_up: int | None = None
    released: int | None = None
    acknowledged: int | None = None
    cancelled: int | None = None
    tracking: int | None = None
    refunded: int | None = None
    levels: int | None = None
    """Applied by the channel."""
    levels_accepted: int | None = None
    """Accepted, and not worked off yet, at the end."""
    levels_refused: int | None = None


def register(app: typer.Typer) -> None:
    app.command("round")(one_round)
    app.command("resync")(resync)


def one_round(channels: Channels = None, config: Config = given.FOLDER, json: Json = False, wait: Wait = 600) -> None:
    """One turn of every channel and warehouse: take in orders, push tracking and levels, hand over work; then end."""
    with given.opened(config) as (settings, store):
        named, houses = given.chosen_houses(settings, channels)
        names = [] if named is None else given.chosen(settings, named)
        done = work(store, settings, names, wait) if names else []
        handled = turns(store, settings, houses, wait)
        # What warehouses told is told on at once: parcels to their channels, and levels.
        behind = [one.channel for one in done if handled and one.state == "ok" and _is_poked(store, one.channel)]
        again = {one.channel: one for one in work(store, settings, behind, wait)} if behind else {}
        done = [_sum(one, again[one.channel]) if one.channel in again else one for one in done]
        left_out = () if channels else settings.problems
        if json:
            problems = [str(problem) for problem in left_out]
            show.document({"channels": done, "warehouses": handled, "problems": problems})
        else:
            _print(done)
            _print_houses(handled)
        for problem in left_out:
            tell(str(problem))
    troubled = any(one.state != "ok" for one in done) or any(one.state != "ok" for one in handled)
    if troubled or left_out:
        raise typer.Exit(NeedsAttention.code if troubled else UserError.code)


def resync(
    channel: Channel,
    orders: Annotated[
        list[str] | None, typer.Argument(metavar="[ORDER]...", help="Only these: the channel's numbers, or ours.")
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            "--since",
            metavar="TIME",
            formats=given.TIMES,
            help="Everything changed since then (UTC, unless it says otherwise).",
        ),
    ] = None,
    levels: Annotated[
        bool, typer.Option("--levels", help="Read all listings, and tell every level again, refused ones too.")
    ] = False,
    config: Config = given.FOLDER,
    json: Json = False,
    wait: Wait = 600,
) -> None:
    """Look at orders of a channel again, or tell it its levels again."""
    if since is not None and micros(given.in_utc(since)) > clock():
        raise UserError(f"--since {since} is still to come; nothing can have changed since then")
    if not (orders or since or levels):
        raise UserError(f"nothing to look at; name orders, --since TIME or --levels (see `ordersync round {channel}`)")
    with given.opened(config) as (settings, store):
        (name,) = given.chosen(settings, [channel])
        own_id = channel_id(store, settings, name)
        asked = {}
        if orders:
            asked[ask_orders(store, own_id, numbers_at(store, name, orders), clock())] = "orders"
        if since:
            asked[ask_since(store, own_id, given.in_utc(since), clock())] = "since"
        if levels:
            asked[ask_levels(store, own_id, clock())] = "levels"
        (done,) = work(store, settings, [name], wait)
        if levels and done.state == "ok":  # a channel that compares is read by one turn and told by the next
            done = _sum(done, *work(store, settings, [name], wait))
        found = {asked[id]: answer for id, answer in answers(store, list(asked)).items()}
    if json:
        show.document({**found, "turn": done})
    else:
        _print_answers(found)
        _print([done])
    if done.state != "ok" or len(found) < len(asked):
        reason = done.reason or "not done yet; the next turn of the channel goes on with it"
        raise NeedsAttention(f"{name}: {reason}")
    if "not found at the channel" in found.get("orders", {}).values():
        raise typer.Exit(1)


def work(store: Store, settings: Settings, names: Sequence[str], wait: float) -> list[Done]:
    """One turn of each channel, in this process; while a daemon holds the store it is asked instead and waited for.

    Raises `NeedsAttention` when it has not come to it in `wait` seconds.
    """
    with show.progress() as bars:
        with store.sole_instance() as sole:
            if sole:
                return _here(store, settings, names, bars)
        return _by_daemon(store, settings, names, wait, bars)


def read(store: Store, settings: Settings, names: Sequence[str], wait: float) -> list[Done]:
    """The listings of each channel, read in this process; a daemon that holds the store reads them in its next turn.

    Raises `NeedsAttention` when it has not come to it in `wait` seconds.
    """
    with show.progress() as bars:
        with store.sole_instance() as sole:
            if sole:
                return _side_by_side(names, bars, threading.Event(), lambda name, _: read_now(store, settings, name))
        read_again(store, [_known_id(store, name) for name in names])
        return _by_daemon(store, settings, names, wait, bars)


def _here(store: Store, settings: Settings, names: Sequence[str], bars: Progress) -> list[Done]:
    """Turns side by side; then once more the channels whose levels follow what the others took in.

    Raises `ConfigError` where the rules of routing are wrong.
    """
    settings.must_route()
    stopping = threading.Event()
    for name in names:
        due_now(store, name)

    def job(name: str, progress: Callable[[Counts], None]) -> Outcome | Trouble:
        return turn(store, settings, name, stopping=stopping.is_set, progress=progress)

    first = _side_by_side(names, bars, stopping, job)
    behind = [name for name, done in zip(names, first, strict=True) if done.state == "ok" and _is_poked(store, name)]
    again = dict(zip(behind, _side_by_side(behind, bars, stopping, job), strict=True))
    return [_sum(done, again[done.channel]) if done.channel in again else done for done in first]


Job = Callable[[str, Callable[[Counts], None]], Outcome | Trouble]
"""What is done with one channel; it may tell how far it has come with orders."""


def _side_by_side(names: Sequence[str], bars: Progress, stopping: threading.Event, job: Job) -> list[Done]:
    """The job for each channel; when one is interrupted, `stopping` tells the others to end early."""

    def one(name: str) -> Done:
        task = bars.add_task(name, total=None, told="")
        told = "{0.stored} orders stored, {0.received} seen".format
        done = job(name, lambda counts: bars.update(task, told=told(counts)))
        bars.update(task, total=1, completed=1)
        return _told(done)

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="turn") as threads:
        running = [threads.submit(one, name) for name in names]
        try:
            return [future.result() for future in running]
        except Stopped:
            raise KeyboardInterrupt from None
        except BaseException:
            stopping.set()
            for future in running:
                future.cancel()
            raise


def _by_daemon(store: Store, settings: Settings, names: Sequence[str], wait: float, bars: Progress) -> list[Done]:
    """Asks the daemon for turns and waits for them; does them here as soon as nobody else holds the store."""
    waiting: dict[str, Watch] = {name: ask_turn(store, _known_id(store, name)) for name in names}
    tasks = {name: bars.add_task(f"{name} (daemon)", total=None, told="") for name in names}
    done: dict[str, Done] = {}
    ends = time.monotonic() + wait
    while waiting:
        for name in [name for name, watch in waiting.items() if watch.look(store)]:
            done[name] = _counted(name, waiting.pop(name))
            bars.update(tasks[name], total=1, completed=1)
        if not waiting:
            break
        if time.monotonic() >= ends:
            raise NeedsAttention(
                f"{', '.join(waiting)}: the daemon has not come to it in {wait:g} s; "
                "it goes on by itself, see `ordersync status`"
            )
        with store.sole_instance() as sole:
            if sole:
                done |= zip(waiting, _here(store, settings, list(waiting), bars), strict=True)
                break
        time.sleep(LOOK_SECONDS)
    return [done[name] for name in names]


def _told(done: Outcome | Trouble) -> Done:
    if isinstance(done, Trouble):
        state = "parked" if done.parked else "unavailable"
        return Done(channel=done.channel, state=state, reason=done.reason)
    return Done(
        channel=done.channel,
        reason=f"{done.waits}; goes on by itself in {done.wait:.0f} s" if done.waits else "",
        **msgspec.structs.asdict(done.orders),
        listings=done.listings,
        taken_back=done.taken_back,
        expired=done.expired,
        held=done.held,
        lifted=done.lifted,
        resumed=done.resumed,
        given_up=done.given_up,
        released=done.released,
        acknowledged=done.acknowledged,
        cancelled=done.cancelled,
        tracking=done.tracking,
        refunded=done.refunded,
        levels=done.levels,
        levels_accepted=done.levels_accepted,
        levels_refused=done.levels_refused,
    )


_COUNTS = ("received", "stored", "repeated", "quarantined")
_DEEDS = {
    "listings": "listing(s) read",
    "taken_back": "order(s) backordered again for want of a location",
    "expired": "unpaid order(s) that lost stock",
    "held": "order(s) held",
    "lifted": "hold(s) lifted",
    "resumed": "order(s) resumed",
    "given_up": "order(s) given up for want of stock",
    "released": "work order(s) released",
    "acknowledged": "order(s) acknowledged",
    "cancelled": "cancellation(s) told",
    "tracking": "parcel(s) told",
    "refunded": "refund(s) given",
    "levels": "level(s) told",
    "levels_accepted": "level(s) accepted and not worked off yet",
    "levels_refused": "level(s) refused (see `ordersync plan`)",
}
_STANDING = ("levels_accepted",)
"""What counts how things stand and not what was done."""


def _sum(first: Done, second: Done) -> Done:
    """Two turns as one: all they did, and how the second ended."""
    sums = {
        word: getattr(first, word) + getattr(second, word)
        for word in (*_COUNTS, *_DEEDS)
        if word not in _STANDING and getattr(first, word) is not None and getattr(second, word) is not None
    }
    return msgspec.structs.replace(second, **sums)


def _counted(name: str, watch: Watch) -> Done:
    counts = {word: getattr(watch.now, word) - getattr(watch.before, word) for word in _COUNTS}
    state, reason = (watch.now.health, watch.now.reason) if watch.failed else ("ok", "")
    return Done(channel=name, state=state, reason=reason, by="daemon", **counts)


def _is_poked(store: Store, name: str) -> bool:
    row = channel_row(store, name)
    return row is not None and row.wanted > row.done


def channel_id(store: Store, settings: Settings, name: str) -> int:
    """The channel's id; its row is made when this is the first anybody asks of it."""
    row = channel_row(store, name)
    if row is not None:
        return int(row.id)
    with store.sole_instance() as sole:
        if sole:
            own = settings.channels[name]
            connector = find(own.connector)(name, own)
            places = [place.as_location() for place in settings.locations]
            try:
                return take_up(store, name, own, connector, places, settings.must_route(), clock()).id
            finally:
                connector.close()
    return _known_id(store, name)


def _known_id(store: Store, name: str) -> int:
    row = channel_row(store, name)
    if row is None:
        raise UserError(f"the daemon has not begun with {name} yet; try again in a moment (see `ordersync status`)")
    return int(row.id)


def _said(one: Done) -> tuple[str, str]:
    """What a turn did with orders, and besides; a daemon's besides is not known."""
    orders = show.counts({word: getattr(one, word) for word in _COUNTS})
    deeds = show.counts({phrase: getattr(one, word) or 0 for word, phrase in _DEEDS.items()})
    return orders or "none changed", deeds or ("done by the daemon" if one.by == "daemon" else "nothing was due")


def _print(done: Sequence[Done]) -> None:
    show.table(("channel", "state", "orders", "besides"), [(one.channel, one.state, *_said(one)) for one in done])
    for one in done:
        if one.reason:
            show.line(f"{one.channel}: {one.reason}")


_TOLD = {
    "told": "event(s) told",
    "unread": "that cannot be read",
    "refused": "that cannot be booked (see `ordersync warehouse notices`)",
    "handed_over": "work order(s) handed over",
    "recalled": "recall(s) asked for",
}


def _print_houses(done: Sequence[HouseDone]) -> None:
    if done:
        deeds = [show.counts({phrase: getattr(one, word) or 0 for word, phrase in _TOLD.items()}) for one in done]
        otherwise = {"here": "nothing was due", "daemon": "done by the daemon"}
        rows = [(one.warehouse, one.state, told or otherwise[one.by]) for one, told in zip(done, deeds, strict=True)]
        show.table(("warehouse", "state", "did"), rows)
    for one in done:
        if one.reason or one.waits:
            show.line(f"{one.warehouse}: {one.reason or one.waits}")


_ANSWERS: dict[str, Callable[[Any], str]] = {
    "orders": lambda found: "\n".join(f"order {number}: {became}" for number, became in found.items()),
    "since": lambda found: f"{show.many(found['received'], 'order')} seen, {found['stored']} new or newer",
    "levels": lambda found: (
        f"{show.many(found['listings'], 'listing')} read, {show.many(found['levels'], 'level')} due"
    ),
}


def _print_answers(found: dict[str, Any]) -> None:
    for kind, answer in found.items():
        show.line(_ANSWERS[kind](answer))
