"""What needs a person: one row each, asked of the store as it stands, so that it goes when its cause goes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from core.connector import Ability, find
from core.settings import ChannelSettings, IssuesSettings, Problem, Settings
from core.store.database import Tx

HOUR = 3_600_000_000
DAY = 24 * HOUR


class Issue(msgspec.Struct, frozen=True, kw_only=True):
    """One thing a person has to see to."""

    id: str
    """Stable for as long as its cause lasts, and the same when the cause comes back: kind, then what it is about."""
    kind: str
    channel: str
    """Empty where it is no channel's."""
    subject: str
    """What people call it: the order, SKU, listing, document or channel."""
    cause: str
    """One sentence."""
    since: int | None
    """Microseconds since 1970 UTC, as far as it is known."""
    deadline: int | None
    """By when it has to be mended, where something happens then."""
    commands: tuple[str, ...]
    """What to run; a word in capitals is the reader's to fill in."""


class View(msgspec.Struct, frozen=True):
    """What kinds look at besides the store."""

    now: int
    issues: IssuesSettings
    channels: Mapping[str, ChannelSettings]
    problems: tuple[Problem, ...] = ()
    channel: str = ""
    """Only this channel's issues; empty for all."""

    @classmethod
    def of(cls, settings: Settings, now: int, channel: str = "") -> View:
        return cls(now, settings.issues, settings.channels, settings.problems, channel)

    def params(self) -> dict[str, int | str]:
        """What every kind's SQL may name."""
        return {
            "now": self.now,
            "channel": self.channel,
            "late": self.now + self.issues.late_hours * HOUR,
            "stuck": self.now - self.issues.stuck_hours * HOUR,
            "waited": self.now - self.issues.backorder_days * DAY,
            "kept": self.now - self.issues.keep_days * DAY,
            "settled": self.now - SETTLE,
        }

    def able(self, ability: Ability, switch: str) -> list[str]:
        """The live channels that are told of something: their connectors can be, and the files' `switch` is on."""
        return [
            name
            for name, own in self.channels.items()
            if own.mode == "live" and getattr(own, switch) and ability in find(own.connector).abilities
        ]


SETTLE = 10 * 60 * 1_000_000
"""What a turn mends by itself is nobody's for ten minutes."""


class Told(msgspec.Struct, frozen=True):
    """What is said of one row."""

    cause: str
    commands: tuple[str, ...] = ()


class Found(NamedTuple):
    """What there is of one kind."""

    issues: list[Issue]
    total: int


class Kind(Protocol):
    """One cause for which a person is needed."""

    @property
    def name(self) -> str: ...

    @property
    def means(self) -> str:
        """What it is, in a few words."""

    def found(self, tx: Tx, view: View, limit: int) -> Found:
        """The most urgent `limit` of them, and how many there are."""

    def counted(self, tx: Tx, view: View) -> int:
        """How many there are."""


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """A kind that is one query.

    Its columns: `key`, unique among the channel's issues of this kind and stable; `channel`, `subject`, `since` and
    `deadline` as an `Issue`'s; and what `tell` needs. It may name what `View.params` has.
    """

    name: str
    means: str
    sql: str | Callable[[View], str]
    tell: Callable[[Tx, Sequence[Any]], Iterator[Told]]
    """What is said of each of these rows, in their order."""

    def found(self, tx: Tx, view: View, limit: int) -> Found:
        rows = tx.rows(
            f"SELECT q.*, count(*) OVER () AS in_all FROM ({self._sql(view)}) AS q WHERE {_OF_CHANNEL}"
            " ORDER BY q.deadline IS NULL, q.deadline, q.since IS NULL, q.since, q.key LIMIT :limit",
            limit=limit,
            **view.params(),
        )
        issues = [
            Issue(
                id=":".join((self.name, row.channel, str(row.key))),
                kind=self.name,
                channel=row.channel,
                subject=row.subject,
                cause=told.cause,
                since=row.since,
                deadline=row.deadline,
                commands=told.commands,
            )
            for row, told in zip(rows, self.tell(tx, rows), strict=True)
        ]
        return Found(issues, int(rows[0].in_all) if rows else 0)

    def counted(self, tx: Tx, view: View) -> int:
        return int(
            tx.value(f"SELECT count(*) FROM ({self._sql(view)}) AS q WHERE {_OF_CHANNEL}", **view.params())
        )  # fmt: skip

    def _sql(self, view: View) -> str:
        return self.sql if isinstance(self.sql, str) else self.sql(view)


_OF_CHANNEL = "(CAST(:channel AS text) = '' OR q.channel = :channel)"

NO_INSTANT = "CAST(NULL AS bigint)"
"""SQL: an instant that there is none of."""


def each(tell: Callable[[Any], Told]) -> Callable[[Tx, Sequence[Any]], Iterator[Told]]:
    """A kind's `tell` where each row says all that is needed."""
    return lambda tx, rows: map(tell, rows)


def names(channels: Iterable[str]) -> str:
    """SQL: a list of configured channels' names, which hold only small letters, digits, - and _."""
    return "(" + ", ".join(f"'{name}'" for name in channels or ("",)) + ")"


def per_channel(values: Mapping[str, int]) -> str:
    """SQL: what a setting makes of each channel `c`; NULL for any other."""
    if not values:
        return NO_INSTANT
    return "CASE c.name " + " ".join(f"WHEN '{name}' THEN {value}" for name, value in values.items()) + " END"
