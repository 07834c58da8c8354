"""Configuration that may change while the service runs: the last good settings, and what is new in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from pydantic import BaseModel, SecretStr

from core.settings.load import LOCATIONS, ORDERSYNC, ROUTING, Settings, survey
from core.settings.problem import ConfigError, Problem, in_toml
from core.settings.read import CHANNELS, WAREHOUSES, Files, folder_files
from core.settings.secret import Secrets, digest


@dataclass(frozen=True)
class Change:
    """One key that is new, gone or different; a secret's value is never told."""

    file: str
    key: str
    """Empty where the whole file came or went."""
    text: str
    """"10 -> 25", "added", "removed" or "changed"."""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.key, self.text) if part)


@dataclass(frozen=True)
class Reload:
    """What became of changed files."""

    settings: Settings
    """What is in force now."""
    changes: tuple[Change, ...]
    """What is new in it; empty when everything stayed as it was."""
    problems: tuple[Problem, ...]
    """What is wrong with the files as they stand. Where they are, the last good settings stay in force."""


class Watched:
    """The settings of a folder, kept up with its files and with the files its secrets came from.

    A wrong file never takes anything away: a channel whose file went bad keeps its last good settings while the
    others move on, and where a shared file went bad everything stays. The store's own keys, and where the receiver
    listens, count from the next start. Raises `ConfigError` at the beginning, when there is no last good yet.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._environ = environ
        secrets = Secrets(environ)
        files = folder_files(folder)
        self.settings = _whole(survey(folder, files, secrets))
        self._known = _Sight(files, secrets.consulted)
        self._unsettled: _Sight | None = None

    def look(self) -> Reload | None:
        """Take changed files in. None while nothing changed, and on the first look at a change.

        Only what looks the same twice is taken in, which keeps a file that is being written from being read
        half-way: call this about once a second.
        """
        sight = _Sight(_files_or_why(self._folder), {path: digest(path) for path in self._known.secrets})
        settled = sight == self._unsettled
        self._unsettled = sight
        if sight == self._known or not settled:
            return None
        return self._take_in(sight)

    def _take_in(self, sight: _Sight) -> Reload:
        secrets = Secrets(self._environ)
        before = self.settings
        try:
            if isinstance(sight.files, Problem):
                raise ConfigError([sight.files])
            found = _whole(survey(self._folder, sight.files, secrets))
        except ConfigError as error:
            self._known = sight
            return Reload(before, (), error.problems)
        self._known = _Sight(sight.files, secrets.consulted)
        after = _with_last_good(before, found)
        if after is None:
            return Reload(before, (), (*found.problems, _LOCATION_IN_USE))
        self.settings = after
        return Reload(after, tuple(_changes(before, after)), found.problems)


def _whole(found: Settings) -> Settings:
    """The service routes, so it wants the rules of routing, too. Raises `ConfigError` with everything wrong."""
    if found.routing is None:
        raise ConfigError(list(found.problems))
    return found


@dataclass(frozen=True)
class _Sight:
    """What one look saw: the folder's files, or why there are none, and digests of the secrets' files."""

    files: Files | Problem
    secrets: Mapping[Path, str]


def _files_or_why(folder: Path) -> Files | Problem:
    try:
        return folder_files(folder)
    except ConfigError as error:
        return error.problems[0]


_LOCATION_IN_USE: Final = Problem(
    LOCATIONS,
    "",
    "a location is gone that a wrong channel or warehouse file still uses",
    "mend that file first; nothing was changed",
)


def _with_last_good(before: Settings, found: Settings) -> Settings | None:
    """`found`, with what has a wrong file as it was; None where the locations of that are gone."""
    wrong = {problem.file.partition(":")[0] for problem in found.problems}
    kept = {name: channel for name, channel in before.channels.items() if f"{CHANNELS}{name}.toml" in wrong}
    places = {place.name for place in found.locations}
    if any(not places.issuperset(channel.locations) for channel in kept.values()):
        return None
    channels = dict(sorted({**found.channels, **kept}.items()))
    served = {place for own in found.warehouses.values() for place in own.locations}
    left = {name: own for name, own in before.warehouses.items() if f"{WAREHOUSES}{name}.toml" in wrong}
    if any(not places.issuperset(own.locations) for own in left.values()):
        return None
    # One whose location another file names by now stays out: no two serve one location.
    left = {name: own for name, own in left.items() if served.isdisjoint(own.locations)}
    warehouses = dict(sorted({**found.warehouses, **left}.items()))
    return replace(found, channels=MappingProxyType(channels), warehouses=MappingProxyType(warehouses))


Key = tuple[str, str, str]
"""File, the part of it that comes and goes as a whole (a location's name, else empty), dotted key."""


def _changes(before: Settings, after: Settings) -> Iterator[Change]:
    old, new = dict(_keys(before)), dict(_keys(after))
    old_parts, new_parts = ({key[:2] for key in keys} for keys in (old, new))
    for file, part in sorted(old_parts ^ new_parts):
        yield Change(file, part, "added" if (file, part) in new_parts else "removed")
    for key in sorted({**old, **new}):
        file, part, name = key
        if (file, part) in old_parts & new_parts and old.get(key) != new.get(key):
            yield Change(file, f"{part}.{name}" if part else name, _difference(key, old.get(key), new.get(key)))


def _difference(key: Key, was: object, now: object) -> str:
    if isinstance(was, SecretStr) or isinstance(now, SecretStr):
        text = "changed"
    else:
        text = f"{in_toml(was)} -> {in_toml(now)}"
    file, _, name = key
    return f"{text} (from the next start on)" if file == ORDERSYNC and name.startswith(_AT_START) else text


_AT_START: Final = ("store.", "receiver.listen")
"""Keys of ordersync.toml that count from the next start."""


def _keys(settings: Settings) -> Iterator[tuple[Key, object]]:
    """Every key in force with its value."""
    for table in ("store", "daemon", "receiver", "log", "issues", "metrics"):
        yield from _flat((ORDERSYNC, "", table), getattr(settings, table))
    yield from _flat((ROUTING, "", ""), settings.must_route())
    for place in settings.locations:
        yield from _flat((LOCATIONS, place.name, ""), place)
    for name, channel in settings.channels.items():
        yield from _flat((f"{CHANNELS}{name}.toml", "", ""), channel)
    for name, own in settings.warehouses.items():
        yield from _flat((f"{WAREHOUSES}{name}.toml", "", ""), own)
    for name in settings.resting:
        yield (f"{WAREHOUSES}{name}.toml", "", "enabled"), False
    for name in settings.disabled:
        yield (f"{CHANNELS}{name}.toml", "", "enabled"), False


def _flat(key: Key, value: object) -> Iterator[tuple[Key, object]]:
    if isinstance(value, BaseModel):
        value = {name: getattr(value, name) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        file, part, above = key
        for name, inner in value.items():
            yield from _flat((file, part, f"{above}.{name}" if above else str(name)), inner)
    else:
        yield key, value
