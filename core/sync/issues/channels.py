"""Channels that do not work, are not worked on, or have something to say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from core.settings import Problem
from core.store.database import Tx
from core.sync.issues.issue import NO_INSTANT, Found, Issue, Query, Told, View, each, names, per_channel

_SECOND = 1_000_000
_GRACE = 300
"""Seconds a turn may take or be late for no reason worth telling."""


class Configuration(msgspec.Struct, frozen=True):
    """A kind that is read from the configuration folder's problems, not from the store."""

    name: str = "configuration"
    means: str = "a file of the configuration is wrong, and its channel is left out"

    def found(self, tx: Tx, view: View, limit: int) -> Found:
        problems = self._problems(view)
        issues = [
            Issue(
                id=f"{self.name}:{_channel(problem)}:{problem.file.partition(':')[0]}:{problem.key}",
                kind=self.name,
                channel=_channel(problem),
                subject=problem.file,
                cause=": ".join(part for part in (problem.key, problem.what) if part) + f"; {problem.cure}",
                since=None,
                deadline=None,
                commands=("ordersync check",),
            )
            for problem in problems[:limit]
        ]
        return Found(issues, len(problems))

    def counted(self, tx: Tx, view: View) -> int:
        return len(self._problems(view))

    def _problems(self, view: View) -> list[Problem]:
        return [one for one in view.problems if view.channel in ("", _channel(one))]


def _channel(problem: Problem) -> str:
    """The channel whose file it is about; empty for other files."""
    file = problem.file.partition(":")[0]
    return file.removeprefix("channels/").removesuffix(".toml") if file.startswith("channels/") else ""


def _configured(view: View) -> str:
    return f"c.name IN {names(view.channels)}"


def _health(health: str) -> Callable[[View], str]:
    return lambda view: (
        "SELECT c.name AS key, c.name AS channel, c.name AS subject, c.outage_since AS since,"
        f" {NO_INSTANT} AS deadline, c.reason FROM channels c WHERE c.health = '{health}' AND {_configured(view)}"
    )


def _idle(view: View) -> str:
    """A turn may be late by as long as two polls take, and some minutes; a channel that is out has its own kind."""
    late = {name: view.now - (2 * own.poll_seconds + _GRACE) * _SECOND for name, own in view.channels.items()}
    known = (
        "SELECT c.name AS key, c.name AS channel, c.name AS subject, COALESCE(c.last_pull, c.next_due) AS since,"
        f" {NO_INSTANT} AS deadline, c.last_success FROM channels c WHERE c.health = 'ok'"
        f" AND c.next_due < {per_channel(late)} AND COALESCE(c.last_pull, c.next_due) BETWEEN 1 AND {per_channel(late)}"
    )
    never = [
        f"SELECT '{name}', '{name}', '{name}', {NO_INSTANT}, {NO_INSTANT}, {NO_INSTANT}"
        f" WHERE NOT EXISTS (SELECT 1 FROM channels c WHERE c.name = '{name}')"
        for name in view.channels
    ]
    return " UNION ALL ".join((known, *never))


def _tell_idle(row: Any) -> Told:
    cause = (
        "it has never been worked on"
        if row.last_success is None
        else "its turn is overdue: no orders come in and nothing is told"
    )
    return Told(f"{cause}; is the service running?", ("ordersync status", "ordersync run"))


KINDS = (
    Configuration(),
    Query(
        name="parked",
        means="a channel refuses us, or met a bug, and waits for a person",
        sql=_health("parked"),
        tell=each(lambda row: Told(row.reason, (f"ordersync doctor {row.channel}",))),
    ),
    Query(
        name="outage",
        means="a channel does not answer; it is tried again by itself",
        sql=_health("unavailable"),
        tell=each(lambda row: Told(row.reason, (f"ordersync doctor {row.channel}", "ordersync status"))),
    ),
    Query(
        name="idle",
        means="nobody works on a channel although its turn is due",
        sql=_idle,
        tell=each(_tell_idle),
    ),
    Query(
        name="subscription",
        means="a channel cannot tell us of changes by itself; it is polled all the same",
        sql=lambda view: (
            "SELECT c.name AS key, c.name AS channel, c.name AS subject, h.audited_at AS since,"
            f" {NO_INSTANT} AS deadline, h.audit_trouble, h.queue_trouble FROM hearing h"
            " JOIN channels c ON c.id = h.channel_id"
            f" WHERE (h.audit_trouble <> '' OR h.queue_trouble <> '') AND {_configured(view)}"
        ),
        tell=each(
            lambda row: Told(
                "; ".join(part for part in (row.audit_trouble, row.queue_trouble) if part), ("ordersync status",)
            )
        ),
    ),
    Query(
        name="notice",
        means="a channel gave notice of something about the whole account",
        sql=lambda view: (
            "SELECT h.subject AS key, c.name AS channel, c.name AS subject, h.happened_at AS since,"
            f" {NO_INSTANT} AS deadline, h.reason FROM hints h JOIN channels c ON c.id = h.channel_id"
            f" WHERE h.kind = 'account' AND NOT h.parks AND {_configured(view)}"
        ),
        tell=each(lambda row: Told(row.reason, (f"ordersync doctor {row.channel}",))),
    ),
    Query(
        name="backfill",
        means="a backfill failed, and none was asked for since",
        sql="SELECT b.id AS key, c.name AS channel, c.name AS subject, b.done_at AS since,"
        f" {NO_INSTANT} AS deadline, b.reason FROM backfills b JOIN channels c ON c.id = b.channel_id"
        " WHERE b.state = 'failed'"
        " AND NOT EXISTS (SELECT 1 FROM backfills n WHERE n.channel_id = b.channel_id AND n.id > b.id)",
        tell=each(lambda row: Told(row.reason, (f"ordersync backfill {row.channel} --since TIME",))),
    ),
)
