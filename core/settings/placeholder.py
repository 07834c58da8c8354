"""Values that only show a form. A channel whose file still holds one, as copied from its example, is not set up yet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, get_args

from pydantic.fields import FieldInfo

from core.settings.keys import PLACEHOLDER, ChannelSettings, WarehouseSettings
from core.settings.problem import Problem, examples_of

BLANK: Final = "…"
"""What an example sets a key to that has to be set and of which no example is known."""


def placeholders(file: str, channel: ChannelSettings | WarehouseSettings) -> list[Problem]:
    """One problem for each key of a channel's or warehouse's file that still holds what its example had."""
    return [
        Problem(file, key, "this is still the example's value", f"write your own: {_meaning(field)}")
        for key, field in type(channel).model_fields.items()
        if _is_placeholder(field, getattr(channel, key))
    ]


def _is_placeholder(field: FieldInfo, value: object) -> bool:
    return value == BLANK or (_is_marked(field) and value in list(examples_of(field)))


def _is_marked(field: FieldInfo) -> bool:
    return any(part is PLACEHOLDER for part in (*field.metadata, *_parts(field.annotation)))


def _parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in get_args(annotation):
        yield from _parts(part)


def _meaning(field: FieldInfo) -> str:
    """The first sentence of the key's text."""
    text = " ".join((field.description or "").split()).partition(". ")[0].rstrip(".")
    return text[:1].lower() + text[1:] if text[1:2].islower() or text[1:2] == " " else text
