"""Where commands end: every error a person can mend becomes one line on stderr and an exit code."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import typer
from typer.core import TyperGroup

from core.errors import ChannelError, UserError


class NeedsAttention(UserError):
    """What was asked for is not done, as a channel does not work or nobody worked on it."""

    code = 3


class CheckFailed(UserError):
    """What was to be checked does not hold."""

    code = 1


class Commands(TyperGroup):
    """All commands. Whoever calls `main` gets the one-line errors: the script and the tests alike."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        run = partial(super().main, args, prog_name, complete_var, False, windows_expand_args, **extra)
        return sys.exit(exit_code(run)) if standalone_mode else run()


READER_LEFT = 128 + signal.SIGPIPE
"""The exit code when whoever reads the output has left (`ordersync orders | head`): what shells report of any other
tool that the closed pipe ends. Not an error: nothing is said, and `set -o pipefail` sees what it always sees."""


def exit_code(run: Callable[[], Any]) -> int:
    """Runs a command and returns how it ended, having told a mendable error. Anything else is a bug and passes."""
    try:
        return _ended(run)
    except BrokenPipeError:
        return READER_LEFT
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):  # typer and rich make an exit of it, and see to the rest
            return READER_LEFT
        raise


def _ended(run: Callable[[], Any]) -> int:
    try:
        ended = run()
    except UserError as error:
        for line in str(error).splitlines():
            tell(line)
        return error.code
    except ChannelError as error:
        tell(f"{error}; see `ordersync status`")
        return NeedsAttention.code
    except typer.TyperException as error:
        _tell_usage(error)
        return UserError.code
    except typer.Abort:
        tell("stopped; nothing was done")
        return UserError.code
    return ended if isinstance(ended, int) else 0


def tell(line: str) -> None:
    """One line on stderr."""
    sys.stderr.write(f"ordersync: {one_line(line)}\n")


def one_line(text: str) -> str:
    """`text` without line breaks and control characters, whoever wrote it."""
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))


_FORMS = {"%Y": "YYYY", "%m": "MM", "%d": "DD", "%H": "HH", "%M": "MM", "%S": "SS", "%z": "+HH:MM"}
"""How people write the parts of a date that programs name so."""


def _tell_usage(error: typer.TyperException) -> None:
    said = one_line(error.format_message()).replace(": Value error, ", ": ").rstrip(".?")
    if re.fullmatch("No such option: -[0-9]", said):  # of more digits only the first is told
        said = "a number below zero is not taken here"
    given, wrong_form, forms = said.partition(" does not match the format")
    for code, word in _FORMS.items():
        forms = forms.replace(code, word)
    said = given + wrong_form + forms
    if said:  # a group called without a command has printed its help already
        context = getattr(error, "ctx", None)
        path = context.command_path if context is not None else "ordersync"
        tell(f"{said[:1].lower()}{said[1:]}; see `{path} --help`")
