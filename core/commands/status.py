"""`ordersync status`: how every channel is, what waits, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import typer

from core.budgets import read
from core.commands import given, show
from core.commands.backfill import share
from core.commands.edge import NeedsAttention
from core.commands.given import Config, Json
from core.commands.warehouse_status import HouseTold, print_houses, tell_house
from core.errors import UserError
from core.settings import Settings
from core.settings.load import ROUTING
from core.sync.channel import clock
from core.sync.deadlines import Deadline, near
from core.sync.issues import View, counts
from core.sync.status import Hearing, Standing, Waiting, standing
from core.sync.warehouse_standing import House, houses

_TROUBLED = ("unavailable", "parked", "misconfigured")


class Budget(msgspec.Struct, kw_only=True):
    """What is left of one operation's budget: requests, at Shopify points."""

    left: float
    burst: float
    """What there is at most."""
    per_second: float
    """What comes back."""


class Hints(msgspec.Struct, kw_only=True):
    """What a channel told by itself. Instants as above."""

    received: int
    """Events heard, each once, ever."""
    repeated: int
    refused: int
    """Calls and messages that were forged, stale or not to be read, ever."""
    waiting: int
    """What is still to be looked at."""
    last_received: str | None
    last_refused: str | None
    refusal: str
    """Why the last one was refused."""
    trouble: str
    """Why the channel cannot tell of all changes just now, and what to do; it is polled all the same."""
    notices: list[str]
    """What concerns the whole account and somebody has to see to, the newest first."""


class Told(msgspec.Struct, kw_only=True):
    """One channel as status tells it. Instants are ISO 8601 in UTC, null where there is none yet."""

    channel: str
    connector: str
    mode: str
    """live, or shadow: it is read and computed, and never told anything."""
    health: str
    """ok, unavailable, parked, misconfigured, disabled, new (never worked on) or removed (no file any more)."""
    reason: str
    """What is wrong and what to do; empty while it is well."""
    last_success: str | None = None
    last_success_seconds: int | None = None
    lag_seconds: int | None = None
    """Since the last page of orders was taken in."""
    outage_since: str | None = None
    next_turn: str | None = None
    backfill: float | None = None
    """How much of an open backfill's window is done, 0 to 1; null where none is open."""
    reconciled: str | None = None
    """When orders and levels there were last compared with ours."""
    unexplained: int = 0
    """Differences nothing explained then."""
    hints: Hints | None = None
    """Null where the channel tells nothing by itself and was not asked to."""
    waiting: Waiting
    acknowledge_soon: int = 0
    """Orders not acknowledged yet, for which the channel soon waits no longer (`acknowledge_alert_minutes`)."""
    acknowledge_by: str | None = None
    """Until when the most urgent of them."""
    budgets: dict[str, Budget] = {}
    """What is left by now of each operation's budget, by the vendor's name of the operation."""
    orders: dict[str, int]
    """received = stored + repeated + quarantined, ever."""


def register(app: typer.Typer) -> None:
    app.command("status")(status)


def status(config: Config = given.FOLDER, json: Json = False) -> None:
    """Show each channel's health and backlog; exit 3 when one needs attention, 2 when routing.toml is wrong."""
    with given.opened(config) as (settings, store):
        now = clock()
        found = standing(store)
        with store.sole_instance() as sole:
            running = not sole
        told = _told(settings, found, now)
        soon = near(store, settings.channels, now)
        stand = _houses(settings, houses(store), now)
        with store.read() as tx:
            issues = counts(tx, View.of(settings, now))
        for one in told:
            if one.channel in soon:
                one.acknowledge_soon = soon[one.channel].orders
                one.acknowledge_by = show.iso(soon[one.channel].by)
        if json:
            show.document(
                {
                    "daemon_running": running,
                    "items_to_compute": found.touched,
                    "issues": issues,
                    "problems": [str(problem) for problem in settings.of_routing],
                    "channels": told,
                    "warehouses": stand,
                }
            )
        else:
            _print(told, found, running, now)
            _print_routing(settings, running)
            print_houses(stand)
            _print_deadlines(soon, now)
            _print_issues(issues)
    if any(one.health in _TROUBLED or one.acknowledge_soon for one in told) or any(
        one.health in _TROUBLED for one in stand
    ):
        raise typer.Exit(NeedsAttention.code)
    if settings.of_routing:
        raise typer.Exit(UserError.code)


def _houses(settings: Settings, found: Mapping[str, House], now: int) -> list[HouseTold]:
    wrong = _wrong(settings, "warehouses/")
    names = sorted({*settings.warehouses, *settings.resting, *wrong, *found})
    return [tell_house(name, settings, wrong, found.get(name), now) for name in names]


def _told(settings: Settings, found: Standing, now: int) -> list[Told]:
    wrong = _wrong(settings)
    names = sorted({*settings.channels, *settings.disabled, *wrong, *found.channels})
    return [_one(name, settings, wrong, found, now) for name in names]


def _wrong(settings: Settings, folder: str = "channels/") -> dict[str, str]:
    """The channels, or warehouses, left out because of their files, with the first problem of each."""
    wrong: dict[str, str] = {}
    for problem in settings.problems:
        file = problem.file.partition(":")[0]
        if file.startswith(folder):
            wrong.setdefault(file.removeprefix(folder).removesuffix(".toml"), str(problem))
    return wrong


def _one(name: str, settings: Settings, wrong: dict[str, str], found: Standing, now: int) -> Told:
    row: Any = found.channels.get(name)
    health, reason = _health(name, row, settings, wrong)
    counts = ("received", "stored", "repeated", "quarantined")
    told = Told(
        channel=name,
        connector=settings.channels[name].connector if name in settings.channels else row.connector if row else "",
        mode=settings.channels[name].mode if name in settings.channels else "live",
        health=health,
        reason=reason,
        waiting=found.waiting.get(name, Waiting()),
        orders={word: getattr(row, word) if row else 0 for word in counts},
    )
    if name in found.backfills:
        told.backfill = share(found.backfills[name])
    if name in found.reconciled:
        at, told.unexplained = found.reconciled[name]
        told.reconciled = show.iso(at)
    if name in found.hearing:
        told.hints = _hints(found.hearing[name])
    if row is not None:
        told.last_success = show.iso(row.last_success)
        told.last_success_seconds = _seconds(row.last_success, now)
        told.lag_seconds = _seconds(row.last_pull, now)
        told.outage_since = show.iso(row.outage_since)
        told.next_turn = show.iso(row.next_due if row.next_due > 0 else None)
        told.budgets = {
            name: Budget(left=round(left.now(now / show.SECOND), 1), burst=left.burst, per_second=left.rate)
            for name, left in read(row.budgets).items()
        }
    return told


def _hints(heard: Hearing) -> Hints:
    return Hints(
        received=heard.received,
        repeated=heard.repeated,
        refused=heard.refused,
        waiting=heard.waiting,
        last_received=show.iso(heard.last_received),
        last_refused=show.iso(heard.last_refused),
        refusal=heard.refusal,
        trouble=heard.trouble,
        notices=heard.notices,
    )


def _health(name: str, row: Any, settings: Settings, wrong: dict[str, str]) -> tuple[str, str]:
    if name in wrong:
        return "misconfigured", wrong[name]
    if name in settings.disabled:
        return "disabled", ""
    if name not in settings.channels:
        return "removed", ""
    if row is None:
        return "new", "no turn yet; start `ordersync run`, or `ordersync round` for one turn"
    return row.health, row.reason


def _seconds(since: int | None, now: int) -> int | None:
    return None if since is None else max(0, now - since) // show.SECOND


def _print(told: list[Told], found: Standing, running: bool, now: int) -> None:
    show.table(
        ("channel", "connector", "health", "last success", "lag", "waiting"),
        [
            (
                one.channel,
                one.connector,
                one.health if one.mode == "live" else f"{one.health}, shadow",
                _age(one.last_success_seconds),
                None if one.lag_seconds is None else show.span(one.lag_seconds),
                _waiting(one.waiting) or "nothing",
            )
            for one in told
        ],
    )
    for one in told:
        if one.reason:
            row = found.channels.get(one.channel)
            out = f" for {show.ago(row.outage_since, now)}" if row is not None and row.outage_since else ""
            show.line(f"{one.channel} is {one.health}{out}: {one.reason}")
        if low := _low(one.budgets):
            show.line(f"{one.channel}: left of its budgets: {low}")
        for refusal in found.refusals.get(one.channel, [])[:_REASONS]:
            show.line(f"{one.channel}: {refusal}")
        if one.waiting.pushes_refused:
            show.line(
                f"{one.channel}: see `ordersync push list {one.channel}`; once mended `ordersync push retry ID`, "
                "else `ordersync push drop ID`"
            )
        if one.backfill is not None:
            past = found.backfills[one.channel]
            waits = f", waits: {past.reason}" if past.reason else ""
            show.line(
                f"{one.channel}: backfill {one.backfill:.0%} done, {show.many(past.received, 'order')} seen{waits}"
            )
        if one.channel in found.hearing:
            _print_hints(one.channel, found.hearing[one.channel], now)
        if one.unexplained:
            what = show.many(one.unexplained, "difference")
            show.line(f"{one.channel}: {what} nothing explains; see `ordersync reconcile {one.channel} --last`")
        if one.waiting.held:
            held = show.many(one.waiting.held, "order")
            show.line(f"{one.channel}: {held} held; see `ordersync orders --status held`, then each order")
    if not told:
        show.line("no channel is configured yet; copy an example in channels/ to channels/NAME.toml and fill it in")
    if found.touched:
        show.line(f"levels to compute: {show.many(found.touched, 'item')}")
    show.line("the daemon is running" if running else "no daemon is running; start `ordersync run`")


def _print_routing(settings: Settings, running: bool) -> None:
    for problem in settings.of_routing:
        show.line(str(problem))
    if settings.of_routing:
        then = "the daemon goes on with the rules that were right last" if running else "no daemon starts"
        show.line(f"until {ROUTING} is right, {then}")


def _print_deadlines(soon: Mapping[str, Deadline], now: int) -> None:
    for name, one in soon.items():
        left = (one.by - now) // show.SECOND
        when = f"within {show.span(left)}" if left >= 0 else f"since {show.span(-left)} ago"
        show.line(
            f"{name}: {show.many(one.orders, 'order')} to be acknowledged, the first ({one.first}) {when}; if the next "
            f"turn does not, acknowledge there by hand: see `ordersync push list {name}`"
        )


def _print_issues(issues: Mapping[str, int]) -> None:
    if issues:
        total = show.many(sum(issues.values()), "issue")
        show.line(f"{total} for a person ({show.counts(issues)}); see `ordersync issues`")


def _print_hints(channel: str, heard: Hearing, now: int) -> None:
    last = "never heard" if heard.last_received is None else f"last heard {show.ago(heard.last_received, now)} ago"
    counts = show.counts({word: getattr(heard, word) for word in ("received", "waiting", "refused")})
    show.line(f"{channel}: hints {last}{f'; {counts}' if counts else ''}")
    if heard.last_refused is not None:
        show.line(f"{channel}: last hint refused {show.ago(heard.last_refused, now)} ago: {heard.refusal}")
    if heard.trouble:
        show.line(f"{channel}: it cannot tell of all changes and is polled: {heard.trouble}")
    for notice in heard.notices:
        show.line(f"{channel}: {notice}")


def _low(budgets: Mapping[str, Budget]) -> str:
    """The budgets that are not as good as full, in words."""
    return ", ".join(
        f"{name} {budget.left:,.0f} of {budget.burst:,.0f}"
        for name, budget in sorted(budgets.items())
        if budget.left < NOTED * budget.burst
    )


NOTED = 0.9
"""The part of a budget that is as good as all of it."""


def _age(seconds: int | None) -> str | None:
    return None if seconds is None else f"{show.span(seconds)} ago"


def _waiting(waiting: Waiting) -> str:
    orders = show.counts({word: getattr(waiting, word) for word in ("held", "backordered", "unrouted")})
    rest = show.counts({phrase: getattr(waiting, word) for word, phrase in _WAITING.items()})
    return "; ".join(part for part in (f"orders: {orders}" if orders else "", rest) if part)


_REASONS = 3
"""Reasons told of one channel: the commonest."""

_WAITING = {
    "pushes_due": "push(s) due",
    "pushes_refused": "push(s) refused",
    "levels_due": "level(s) due",
    "levels_unlisted": "level(s) of listings it does not show",
    "levels_refused": "level(s) refused",
    "quarantine": "document(s) set aside",
}
