"""A problem of the configuration as one line: file, key, what is wrong, what to do. Never a value from the file."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticUndefined

from core.errors import UserError
from core.settings.wrong import KIND


@dataclass(frozen=True)
class Problem:
    """One thing to mend. `file` is relative to the configuration folder, with `:line` where the line is known;
    `key` is the dotted key, empty where the whole file is meant."""

    file: str
    key: str
    what: str
    cure: str

    def __str__(self) -> str:
        line = ": ".join(part for part in (self.file, self.key, self.what) if part) + f"; {self.cure}"
        return "".join(letter if letter.isprintable() else "?" for letter in " ".join(line.split()))


class ConfigError(UserError):
    """The configuration cannot be used: one line for each of its `problems`."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def of_validation(file: str, model: type[BaseModel], error: ValidationError) -> list[Problem]:
    """What pydantic found wrong with one file, in the words of its user."""
    errors = error.errors(include_url=False)
    # A list whose parts are wrong also counts as too short: its parts are what is to be told.
    lists = {found["loc"][:end] for found in errors for end in range(len(found["loc"]))}
    told = [found for found in errors if not (found["type"] == "too_short" and found["loc"] in lists)]
    return [_problem(file, model, found) for found in told]


def nearest(word: str, words: Iterable[str]) -> str:
    """What to do about an unknown word: the nearest known one, or all of them."""
    known = sorted(words)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.8)
    return f"did you mean `{close[0]}`?" if close else f"use one of: {', '.join(known) or 'none there are'}"


def _problem(file: str, model: type[BaseModel], found: ErrorDetails) -> Problem:
    location = [part for part in found["loc"] if part != "[key]"]
    if found["type"] == "extra_forbidden":
        table, _ = _descend(model, location[:-1])
        return Problem(
            file,
            _dotted(location[:-1]),
            f"unknown key `{location[-1]}`",
            nearest(str(location[-1]), table.model_fields),
        )
    _, field = _descend(model, location)
    example = _cure(str(location[-1]), field) if field and isinstance(location[-1], str) else ""
    what, cure = _WORDS.get(found["type"], _others)(found, example)
    return Problem(file, _dotted(location), what, cure)


def _descend(model: type[BaseModel], location: Sequence[int | str]) -> tuple[type[BaseModel], FieldInfo | None]:
    """The innermost table that `location` leads into, and the key it ends at."""
    field = None
    for part in location:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        if field is None:
            return model, None
        model = next(_tables(field.annotation), model)
    return model, field


def _tables(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _tables(part)


def _dotted(location: Sequence[int | str]) -> str:
    """`locations #2.name`: places in a list count from 1."""
    text = ""
    for part in location:
        text += f" #{part + 1}" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def sample(key: str, field: FieldInfo) -> str:
    """A line the user could write, such as `poll_seconds = 15`; empty where neither default nor example is known."""
    value = field.default
    if value is PydanticUndefined or value is None:
        value = next(examples_of(field), None)
    if value is None:
        return ""
    return f"[{key}]" if isinstance(value, BaseModel) else f"{key} = {in_toml(value)}"


def _cure(key: str, field: FieldInfo) -> str:
    """`sample` for who has written the key: an empty default is no help where an example is known."""
    filled = next(examples_of(field), None) if field.default == "" else None
    return sample(key, field) if filled is None else f"{key} = {in_toml(filled)}"


def examples_of(field: FieldInfo) -> Iterator[Any]:
    """The examples a key or any part of its type gives."""
    return _examples(field, field.annotation)


def _examples(*parts: Any) -> Iterator[Any]:
    for part in parts:
        if isinstance(part, FieldInfo):
            yield from part.examples or ()
        yield from _examples(*get_args(part))


def in_toml(value: object) -> str:
    """A plain value as a TOML file or an operator's message writes it; None is "not set"."""
    if value is None:
        return "not set"
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(in_toml, value))}]"
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_key(key)} = {in_toml(part)}' for key, part in value.items())} }}"
    return json.dumps(value, ensure_ascii=False, default=str)


def _key(key: object) -> str:
    text = str(key)
    return text if re.fullmatch(r"[A-Za-z0-9_-]+", text) else json.dumps(text, ensure_ascii=False)


Word = Callable[[ErrorDetails, str], tuple[str, str]]


def _expected(what: str) -> Word:
    return lambda _, sample: (f"{what} is expected", f"write for example {sample}" if sample else "mend the value")


def _bound(what: str, words: str, limit: str) -> Word:
    return lambda found, _: (what, f"write {words} {_context(found)[limit]}")


def _context(found: ErrorDetails) -> Mapping[str, Any]:
    return found.get("ctx", {})


def _missing(_: ErrorDetails, sample: str) -> tuple[str, str]:
    return "this key is missing", f"add for example {sample}" if sample else "add it"


def _choice(found: ErrorDetails, _: str) -> tuple[str, str]:
    return "no known choice", f"write {str(_context(found)['expected']).replace(chr(39), chr(34))}"


def _empty(_: ErrorDetails, sample: str) -> tuple[str, str]:
    return "this may not be empty", f"write for example {sample}" if sample else "fill it"


def _shape(found: ErrorDetails, sample: str) -> tuple[str, str]:
    return (
        "the text has not the right form",
        f"write for example {sample}" if sample else f"it must match {_context(found)['pattern']}",
    )


def _ours(found: ErrorDetails, _: str) -> tuple[str, str]:
    return str(_context(found)["what"]), str(_context(found)["cure"])


def _others(found: ErrorDetails, sample: str) -> tuple[str, str]:
    what = found["msg"].removeprefix("Value error, ")
    return what[:1].lower() + what[1:], f"write for example {sample}" if sample else "mend the value"


_INSTANT: Final = _expected("an instant with its time zone")
_WHOLE: Final = _expected("a whole number")
_TABLE: Final = _expected("a table")
_LIST: Final = _expected("a list in [ ]")

_WORDS: Final[Mapping[str, Word]] = {
    KIND: _ours,
    "missing": _missing,
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "bool_type": _expected("true or false"),
    "string_type": _expected("text in quotes"),
    "float_type": _expected("a number"),
    "decimal_type": _expected("a number"),
    "literal_error": _choice,
    "enum": _choice,
    "greater_than_equal": _bound("too small", "at least", "ge"),
    "greater_than": _bound("too small", "more than", "gt"),
    "less_than_equal": _bound("too large", "at most", "le"),
    "less_than": _bound("too large", "less than", "lt"),
    "too_short": _empty,
    "string_too_short": _empty,
    "string_pattern_mismatch": _shape,
    "datetime_type": _INSTANT,
    "datetime_parsing": _INSTANT,
    "datetime_from_date_parsing": _INSTANT,
    "timezone_aware": _INSTANT,
    "model_type": _TABLE,
    "dict_type": _TABLE,
    "mapping_type": _TABLE,
    "tuple_type": _LIST,
    "list_type": _LIST,
    "set_type": _LIST,
    "frozen_set_type": _LIST,
}
