"""The configuration folder as bytes, and one file of it as a table."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from datetime import date, time
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from core.settings.keys import Table
from core.settings.problem import ConfigError, Problem, of_validation
from core.settings.secret import Secrets

CHANNELS: Final = "channels/"
WAREHOUSES: Final = "warehouses/"

_PLACE: Final = re.compile(r"^(?P<what>.*) \(at (?:line (?P<line>\d+), column \d+|end of document)\)$", re.DOTALL)
_TWICE: Final = ("Cannot overwrite a value", "Cannot declare", "Duplicate inline table key", "Cannot mutate")

Files = Mapping[str, bytes | Problem]
"""Every `*.toml` of the folder by its name ("routing.toml", "channels/shop.toml"): its bytes, or why there are none."""


def folder_files(folder: Path) -> Files:
    """The folder as it stands now. Raises `ConfigError` when there is no such folder."""
    if not folder.is_dir():
        raise ConfigError([Problem(str(folder), "", "no such folder", "name the right one with --config DIR")])
    found: dict[str, bytes | Problem] = {}
    for path in sorted(
        [*folder.glob("*.toml"), *folder.glob(f"{CHANNELS}*.toml"), *folder.glob(f"{WAREHOUSES}*.toml")]
    ):
        name = path.relative_to(folder).as_posix()
        try:
            found[name] = path.read_bytes()
        except OSError as error:
            found[name] = Problem(name, "", f"cannot be read: {error.strerror}", "mend it or its permissions")
    return found


def table_of(file: str, body: bytes | Problem) -> dict[str, Any]:
    """One file's TOML. Raises `ConfigError` with the line when it is not whole."""
    if isinstance(body, Problem):
        raise ConfigError([body])
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem(f"{file}:{line}", "", "not UTF-8 text", "save the file as UTF-8")]) from None
    if not text.strip():
        raise ConfigError([Problem(file, "", "the file is empty (half-written?)", "write it anew, or remove it")])
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_toml_problem(file, text, str(error))]) from None


def _toml_problem(file: str, text: str, message: str) -> Problem:
    found = _PLACE.match(message)
    if found is None:
        return Problem(file, "", f"not valid TOML ({message})", "mend the file")
    if found["line"] is None:
        last = f"{file}:{text.rstrip().count(chr(10)) + 1}"
        return Problem(last, "", "the file breaks off here (half-written?)", "write it to its end")
    place = f"{file}:{found['line']}"
    if found["what"].startswith(_TWICE):
        return Problem(place, "", "a key or table that stands above already", "keep one of the two")
    return Problem(place, "", f"not valid TOML ({found['what']})", "mend this line; text needs quotes")


T = TypeVar("T", bound=Table)


def typed(file: str, kind: type[T], table: Mapping[str, Any], secrets: Secrets) -> T:
    """A file's table as what `kind` says it may hold. Raises `ConfigError` with everything wrong in it."""
    try:
        return kind.model_validate_json(json.dumps(table, default=_instant), context={"secrets": secrets})
    except ValidationError as error:
        raise ConfigError(of_validation(file, kind, error)) from None


def _instant(value: object) -> str:
    if isinstance(value, date | time):
        return value.isoformat()
    raise TypeError(f"TOML has no {type(value).__name__}")
