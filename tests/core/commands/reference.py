"""`docs/commands.md` from the commands themselves: `python -m tests.core.commands.reference` writes it anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

import daemon

PAGE = Path(__file__).parents[3] / "docs" / "commands.md"

_HEAD = """\
# Commands

Every command, its arguments and its options. This page is generated: change the command, then run
`python -m tests.core.commands.reference`.

`--config DIR` names the configuration folder (default `config`). With `--json`, standard output is one JSON document
and nothing else. Errors are one line on standard error: what, where, what to do.

| Exit code | Meaning |
|---|---|
| 0 | done |
| 1 | a check failed |
| 2 | wrong usage or configuration |
| 3 | a channel needs attention |
| 4 | the store cannot be used |
| 130 | stopped by Ctrl-C |
| 141 | whoever read the output has left (`ordersync orders \\| head`); nothing is said |

An ORDER is our id, the channel's number or its name (`"#1001"`, quoted). Where several channels have it, write
`CHANNEL:ORDER` (`"shop:#1001"`).

`ordersync --install-completion` completes commands, options and channel names in your shell."""


def page() -> str:
    """The page's text."""
    return "\n\n".join([_HEAD, *_parts("ordersync", typer.main.get_command(daemon.app()))]) + "\n"


def _parts(path: str, command: Any) -> Iterator[str]:
    below = getattr(command, "commands", {})
    for name in sorted(below):
        yield from _parts(f"{path} {name}", below[name])
    if not below or getattr(command, "invoke_without_command", False):
        yield _part(path, command)


def _part(path: str, command: Any) -> str:
    own = [param for param in command.params if param.name not in ("config", "json", "help")]
    arguments = [param for param in own if param.param_type_name == "argument"]
    options = [param for param in own if param.param_type_name == "option"]
    usage = " ".join([path, *(_usage(argument) for argument in arguments), *(["[OPTIONS]"] if command.params else [])])
    text = f"## {path.removeprefix('ordersync ')}\n\n`{usage}`\n\n{' '.join((command.help or '').split())}"
    rows = [f"| `{_usage(one)}` | {_help(one)} |" for one in arguments]
    rows += [f"| {_option(one)} | {_help(one)} |" for one in options]
    return "\n".join([f"{text}\n\n| | |\n|---|---|", *rows]) if rows else text


def _usage(argument: Any) -> str:
    name = str(argument.metavar or argument.name.upper())
    return name if argument.required or name.startswith("[") else f"[{name}]"


def _option(option: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    choices = option.type_descriptor.choices
    value = option.metavar or (" \\| ".join(map(str, choices)) if choices else "VALUE")
    return names if option.is_flag else f"{names} {value}"


def _help(param: Any) -> str:
    told = " ".join((param.help or "").split()).replace("|", "\\|")
    default = param.default
    shown = not (default is None or default == "" or default is False or callable(default) or param.required)
    return f"{told} Default: {default}." if shown and default is not True else told


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
