"""A commented example of a channel's or warehouse's file, made from its connector's settings: every key, its meaning,
its default."""

from __future__ import annotations

import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from core.settings.keys import ChannelSettings, Table, WarehouseSettings
from core.settings.placeholder import BLANK
from core.settings.problem import ConfigError, in_toml, sample
from core.settings.read import typed
from core.settings.secret import Unasked

_WIDTH: Final = 118

_HEAD: Final = """\
One account at the channel {name}. Copy this file to channels/NAME.toml beside it: NAME is what commands and reports
will call the account, in small letters, digits, - and _. Several accounts are several files.

A key behind a # shows its default, or an example where it has none: take the # away to set it. A secret stands here by
name only; "secret:NAME" is looked up in the file NAME in $CREDENTIALS_DIRECTORY, in the file that $NAME_FILE names and
in the environment variable NAME. Check what you wrote with `ordersync check`."""


_HEAD_WAREHOUSE: Final = """\
One warehouse, reached by {name}. Copy this file to warehouses/NAME.toml beside it: NAME is what commands and reports
will call it, in small letters, digits, - and _; no channel may have the same. Several warehouses are several files.

A key behind a # shows its default, or an example where it has none: take the # away to set it. A secret stands here by
name only; "secret:NAME" is looked up in the file NAME in $CREDENTIALS_DIRECTORY, in the file that $NAME_FILE names and
in the environment variable NAME. Check what you wrote with `ordersync check`; docs/warehouses.md tells the rest."""


def example(name: str, kind: type[ChannelSettings]) -> str:
    """The text of `channels/<name>.toml.example` for the connector `name`. What must be set is set, to be replaced."""
    return _example(name, kind, ChannelSettings, _HEAD, f"../schemas/{name}.json", "every channel")


def warehouse_example(name: str, kind: type[WarehouseSettings]) -> str:
    """The text of `warehouses/<name>.toml.example`, as `example`."""
    return _example(
        name, kind, WarehouseSettings, _HEAD_WAREHOUSE, f"../schemas/warehouses/{name}.json", "every warehouse"
    )


def _example(name: str, kind: type[Table], base: type[Table], head: str, schema: str, whose: str) -> str:
    fields = kind.model_fields
    lines = {key: _line(name, key, field) for key, field in fields.items()}
    needed = _needed(kind, lines)
    own = sorted((key for key in fields if key not in base.model_fields), key=lambda key: key not in needed)
    shared = [key for key in base.model_fields if key not in ("connector", "locations")]

    def part(key: str) -> str:
        return "\n".join([*_comment(fields[key].description), lines[key] if key in needed else f"#{lines[key]}"])

    top = "\n".join([f"#:schema {schema}", "#", *_comment(head.format(name=name))])
    rule = f"# {f' What {whose} may say ':-^{_WIDTH - 2}}"
    return "\n\n".join([top, lines["connector"], *map(part, own), part("locations"), rule, *map(part, shared)]) + "\n"


def _line(connector: str, key: str, field: FieldInfo) -> str:
    """The line that sets `key`."""
    if key == "connector":
        return f"connector = {in_toml(connector)}"
    if SecretStr in _types(field.annotation):
        secret = f"{connector}_{key}".upper().replace("-", "_")
        return f'{key} = "secret:{secret}"'
    return sample(key, field) or f'{key} = "{BLANK}"'


def _needed(kind: type[Table], lines: Mapping[str, str]) -> list[str]:
    """The keys a file must set: the required ones, the locations and, where there are several ways to log in, the
    first secret that makes it sound."""
    fields = kind.model_fields
    required = [key for key in fields if fields[key].is_required() or key == "locations"]
    secrets = [key for key in fields if key not in required and SecretStr in _types(fields[key].annotation)]
    ways = [required, *([*required, key] for key in secrets)]
    return next((way for way in ways if _is_sound(kind, "\n".join(lines[key] for key in way))), required)


def _is_sound(kind: type[Table], text: str) -> bool:
    try:
        typed("", kind, tomllib.loads(text), Unasked())
    except ConfigError:
        return False
    return True


def _types(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in get_args(annotation):
        yield from _types(part)


def _comment(text: str | None) -> list[str]:
    paragraphs = [textwrap.wrap(part, _WIDTH - 2) for part in (text or "").split("\n\n")]
    lines = [line for part in paragraphs for line in ("", *part)][1:]
    return [f"# {line}".rstrip() for line in lines]
