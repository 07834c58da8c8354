"""What an operator sees of a world's issues, and whether what they are told to run can be run."""

from __future__ import annotations

import shlex
from functools import cache
from typing import Any

import typer
from typer.exceptions import TyperException

import daemon
from core.settings import IssuesSettings, Problem
from core.sync.channel import Channel
from core.sync.issues import Inbox, Issue, View, inbox
from tests.core.sync.world import World

SELDOM = 10**7
"""Seconds between two polls of a channel that nobody misses."""


def seen(
    world: World,
    *channels: Channel,
    channel: str = "",
    problems: tuple[Problem, ...] = (),
    poll: int = SELDOM,
    **keys: int,
) -> Inbox:
    """The inbox now; `keys` are those of `[issues]`. Each suggested command is known to the command line."""
    more = {"connector": "sandbox", "poll_seconds": poll}
    known = {one.name: one.settings.model_copy(update=more) for one in channels}
    found = inbox(world.store, View(world.now, IssuesSettings(**keys), known, problems, channel))
    assert sum(found.counts.values()) == len(found.issues)
    assert len({issue.id for issue in found.issues}) == len(found.issues)
    for issue in found.issues:
        assert issue.cause
        for command in issue.commands:
            assert runs(command), command
    return found


def of(found: Inbox, kind: str) -> list[Issue]:
    return [issue for issue in found.issues if issue.kind == kind]


def one(found: Inbox, kind: str) -> Issue:
    (issue,) = of(found, kind)
    return issue


def runs(command: str) -> bool:
    """Whether a shell and the command line take it: there is such a command with these options, no argument is too few
    or too many, and each is one that it can be given, or a word in capitals, which is the reader's to fill in."""
    program, *words = shlex.split(command)
    if shlex.split(command, comments=True) != [program, *words]:  # an order's name often begins with #
        return False
    leaf, above = _commands(), None
    while hasattr(leaf, "commands"):
        name, *words = words
        above, leaf = leaf, leaf.commands.get(name)
    if program != "ordersync" or leaf is None or (above is None):
        return False
    context = leaf.context_class(leaf, info_name=name)
    try:
        given, left, _ = leaf.make_parser(context).parse_args(args=words)
    except TyperException:
        return False
    required = {str(one.name) for one in leaf.params if one.required}
    if left or any(given.get(name) in (None, ()) for name in required):
        return False
    try:
        for one in leaf.params:
            if not _to_fill_in(value := given.get(str(one.name))):
                one.process_value(context, value)
    except TyperException:
        return False
    return True


def _to_fill_in(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value.isupper())


@cache
def _commands() -> Any:
    return typer.main.get_command(daemon.app())
