"""`ordersync issues`: everything that needs a person, the most urgent first."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from core.commands import given, show
from core.commands.edge import CheckFailed
from core.commands.given import Config, Json
from core.errors import UserError
from core.sync.channel import clock
from core.sync.issues import KINDS, Inbox, Issue, View, inbox

_MINUTE = 60


def register(app: typer.Typer) -> None:
    app.command("issues")(issues)


def issues(
    channel: Annotated[
        str, typer.Option("--channel", metavar="CHANNEL", autocompletion=given.complete_channel, help="Only its own.")
    ] = "",
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", metavar="KIND", help="Only this kind; docs/issues.md names all. May be given again."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1_000_000, help="The most urgent so many.")] = 100,
    fail: Annotated[bool, typer.Option("--fail", help="Exit 1 when there are any.")] = False,
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Show what needs a person: cause, deadline and what to run. It goes by itself when its cause does."""
    kinds = _known(kind or [])
    with given.opened(config) as (settings, store):
        if channel and channel not in settings.channels:
            with store.read() as tx:
                given.known_channel(tx, channel)
        now = clock()
        found = inbox(store, View.of(settings, now, channel), kinds, limit)
    if json:
        show.document(
            {"total": found.total, "counts": found.counts, "issues": [_document(issue) for issue in found.issues]}
        )
    else:
        _print(found, now, narrowed=bool(channel or kinds))
    if fail and found.total:
        raise typer.Exit(CheckFailed.code)


def _known(kinds: list[str]) -> list[str]:
    names = [kind.name for kind in KINDS]
    for kind in kinds:
        if kind not in names:
            raise UserError(f"there is no kind of issue {kind!r}; there are: {', '.join(names)}")
    return kinds


def _document(issue: Issue) -> dict[str, Any]:
    instants = {"since": show.iso(issue.since), "deadline": show.iso(issue.deadline)}
    return {**msgspec.structs.asdict(issue), **instants}


def _print(found: Inbox, now: int, *, narrowed: bool) -> None:
    show.table(
        ("deadline", "since", "kind", "channel", "subject", "cause and what to run"),
        [
            (
                _until(issue.deadline, now),
                show.ago(issue.since, now),
                issue.kind,
                issue.channel or None,
                issue.subject,
                "\n".join((issue.cause, *(f"  {command}" for command in issue.commands))),
            )
            for issue in found.issues
        ],
    )
    if not found.total:
        show.line("none of these needs a person" if narrowed else "nothing needs a person")
        return
    more = f" (the most urgent {len(found.issues)}; see --limit)" if len(found.issues) < found.total else ""
    show.line(f"{show.many(found.total, 'issue')}: {show.counts(found.counts)}{more}")


def _until(deadline: int | None, now: int) -> str | None:
    """How long there is still, or how long it is over."""
    if deadline is None:
        return None
    left = (deadline - now) // show.SECOND
    return f"in {show.span(left)}" if left >= 0 else f"{show.span(-left)} over"
