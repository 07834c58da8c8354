"""The configuration folder as settings. One channel's trouble leaves that channel out and never stops another."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar

from pydantic import SecretStr
from sqlalchemy.engine import URL

from core import connector, warehouse
from core.settings.keys import (
    NAME,
    ChannelSettings,
    DaemonSettings,
    IssuesSettings,
    LogSettings,
    MetricsSettings,
    OrdersyncFile,
    ReceiverSettings,
    StoreSettings,
    Table,
    WarehouseSettings,
)
from core.settings.placeholder import placeholders
from core.settings.problem import ConfigError, Problem, nearest
from core.settings.read import CHANNELS, WAREHOUSES, Files, folder_files, table_of, typed
from core.settings.routing_keys import LocationSettings, LocationsFile, RoutingSettings
from core.settings.secret import Secrets, Unasked

ORDERSYNC: Final = "ordersync.toml"
LOCATIONS: Final = "locations.toml"
ROUTING: Final = "routing.toml"


@dataclass(frozen=True)
class Settings:
    """Everything the configuration folder says, checked."""

    folder: Path
    """The configuration folder, absolute."""
    store: StoreSettings
    daemon: DaemonSettings
    log: LogSettings
    locations: tuple[LocationSettings, ...]
    routing: RoutingSettings | None
    """None where its file is wrong: what does not route goes on, and `must_route` says why the rest cannot."""
    channels: Mapping[str, ChannelSettings]
    """The channels to work with, by name and in its order; each value is of its connector's own `Settings`."""
    disabled: tuple[str, ...] = ()
    """The names of the sound channels that say `enabled = false`."""
    receiver: ReceiverSettings = field(default_factory=ReceiverSettings)
    issues: IssuesSettings = field(default_factory=IssuesSettings)
    warehouses: Mapping[str, WarehouseSettings] = field(default_factory=dict)
    """The warehouses to work with, as `channels`; no two serve one location."""
    resting: tuple[str, ...] = ()
    """The names of the sound warehouses that say `enabled = false`."""
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    problems: tuple[Problem, ...] = ()
    """Why channels were left out, what is wrong with the rules of routing, and files nobody reads."""

    @property
    def database(self) -> URL:
        """The url of the store, password and all; relative SQLite paths start beside the configuration folder."""
        return self.store.database(self.folder.parent)

    def must_route(self) -> RoutingSettings:
        """The rules of routing, for what gives orders a location. Raises `ConfigError` where their file is wrong."""
        if self.routing is None:
            raise ConfigError(self.of_routing)
        return self.routing

    @property
    def of_routing(self) -> list[Problem]:
        """What is wrong with the rules of routing."""
        return [problem for problem in self.problems if problem.file.partition(":")[0] == ROUTING]


def load(folder: Path, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of a configuration folder; secrets come from `environ`, by default the process's own.

    A channel whose file or secret is wrong is left out and named in `problems`; so are wrong rules of routing.
    Raises `ConfigError` when the folder or another of the files that every channel shares is missing or wrong.
    """
    return survey(folder, folder_files(folder), Secrets(environ))


def problems(folder: Path, environ: Mapping[str, str] | None = None) -> list[Problem]:
    """Everything wrong in a configuration folder, in the order of its files; empty when it is sound."""
    try:
        return list(load(folder, environ).problems)
    except ConfigError as error:
        return list(error.problems)


def survey(folder: Path, files: Files, secrets: Secrets) -> Settings:
    """`load` of files already read; a `ConfigError` holds the channels' problems too."""
    found = _Found([])
    main = found.of(ORDERSYNC, OrdersyncFile, files, secrets, cure="write it; an example comes with ordersync")
    places = found.of(LOCATIONS, LocationsFile, files, secrets, cure="write it, with one [[locations]] at least")
    routing = found.of(ROUTING, RoutingSettings, files, secrets) if ROUTING in files else RoutingSettings()
    found.strangers(files)

    channels: dict[str, ChannelSettings] = {}
    disabled = []
    for file in sorted(file for file in files if file.startswith(CHANNELS)):
        try:
            channel = _channel(file, files[file], places, secrets)
        except ConfigError as error:
            found.problems.extend(error.problems)
            continue
        name = Path(file).stem
        if channel.enabled:
            channels[name] = channel
        else:
            disabled.append(name)
    for twins in _same_account(channels):
        found.problems.extend(_twin_problems(twins))
        for name in twins:
            del channels[name]
    if main is not None and main.store.encryption_key is None:
        for name in [name for name, channel in channels.items() if channel.keeps_tokens]:
            found.problems.append(_without_key(f"{CHANNELS}{name}.toml", channels.pop(name).keeps_tokens))
    if not any(file.startswith(CHANNELS) for file in files):
        found.problems.append(_NO_CHANNEL)
    warehouses, resting = _warehouses(files, places, secrets, found.problems)

    if main is None or places is None:
        raise ConfigError(found.problems)
    return Settings(
        folder=folder.absolute(),
        store=main.store,
        daemon=main.daemon,
        log=main.log,
        locations=places.locations,
        routing=routing,
        channels=MappingProxyType(channels),
        disabled=tuple(disabled),
        receiver=main.receiver,
        issues=main.issues,
        warehouses=MappingProxyType(warehouses),
        resting=resting,
        metrics=main.metrics,
        problems=tuple(found.problems),
    )


_NO_CHANNEL: Final = Problem(
    "channels", "", "no channel is configured yet", "copy an example there to channels/NAME.toml and fill it in"
)


def _without_key(file: str, key: str) -> Problem:
    return Problem(
        file,
        key,
        "each renewal brings a new token, which must be kept encrypted, and nothing says with which key",
        f'make one with `openssl rand -hex 32` and write encryption_key = "secret:NAME" under [store] in {ORDERSYNC}',
    )


T = TypeVar("T", bound=Table)


@dataclass(frozen=True)
class _Found:
    """The problems found so far."""

    problems: list[Problem]

    def of(self, file: str, kind: type[T], files: Files, secrets: Secrets, cure: str = "") -> T | None:
        """One shared file as its table, or None with its problems noted."""
        if file not in files:
            self.problems.append(Problem(file, "", "no such file", cure))
            return None
        try:
            return typed(file, kind, table_of(file, files[file]), secrets)
        except ConfigError as error:
            self.problems.extend(error.problems)
            return None

    def strangers(self, files: Files) -> None:
        """Note the files in the folder itself that nothing reads: most likely a name mistyped."""
        known = (ORDERSYNC, LOCATIONS, ROUTING)
        self.problems.extend(
            Problem(file, "", "nothing reads a file of this name", nearest(file, known))
            for file in files
            if file not in known and not file.startswith((CHANNELS, WAREHOUSES))
        )


def _channel(file: str, body: bytes | Problem, places: LocationsFile | None, secrets: Secrets) -> ChannelSettings:
    """One channel's file in its connector's own words. Raises `ConfigError` with everything wrong in it."""
    name = Path(file).stem
    if not re.fullmatch(NAME, name):
        cure = "rename it: small letters, digits, - and _"
        raise ConfigError([Problem(file, "", f"no channel can be called {name!r}", cure)])
    table = table_of(file, body)
    kind = _settings_of(file, table.get("connector"), connector.names(), connector.find, ChannelSettings)
    # A channel that is switched off may have lost its secrets: only the rest of its file is checked.
    channel = typed(file, kind, table, secrets if table.get("enabled", True) else Unasked())
    if channel.enabled:
        _check_locations(file, channel.locations, places, "no location ships for this channel")
        if left := placeholders(file, channel):
            raise ConfigError(left)
    return channel


def _warehouses(
    files: Files, places: LocationsFile | None, secrets: Secrets, problems: list[Problem]
) -> tuple[dict[str, WarehouseSettings], tuple[str, ...]]:
    """The sound warehouses by name, those switched off by their names; what is wrong is added to `problems`."""
    found: dict[str, WarehouseSettings] = {}
    resting = []
    serves: dict[str, str] = {}
    for file in sorted(file for file in files if file.startswith(WAREHOUSES)):
        name = Path(file).stem
        try:
            own = _warehouse(file, files[file], places, secrets)
            if f"{CHANNELS}{name}.toml" in files:
                raise ConfigError([Problem(file, "", f"a channel is called {name} already", "rename one of the two")])
            taken = [place for place in own.locations if place in serves] if own.enabled else []
            if taken:
                what = f"{taken[0]} is served by {serves[taken[0]]} already"
                raise ConfigError([Problem(file, f"locations.{taken[0]}", what, "name it in one of the two files")])
        except ConfigError as error:
            problems.extend(error.problems)
            continue
        if not own.enabled:
            resting.append(name)
            continue
        found[name] = own
        serves |= dict.fromkeys(own.locations, name)
    return found, tuple(resting)


def _warehouse(file: str, body: bytes | Problem, places: LocationsFile | None, secrets: Secrets) -> WarehouseSettings:
    """One warehouse's file in its connector's own words. Raises `ConfigError` with everything wrong in it."""
    name = Path(file).stem
    if not re.fullmatch(NAME, name):
        cure = "rename it: small letters, digits, - and _"
        raise ConfigError([Problem(file, "", f"no warehouse can be called {name!r}", cure)])
    table = table_of(file, body)
    kind = _settings_of(file, table.get("connector"), warehouse.known(), warehouse.find, WarehouseSettings)
    found = typed(file, kind, table, secrets if table.get("enabled", True) else Unasked())
    if found.enabled:
        _check_locations(file, found.locations, places, "it serves no location")
        if left := placeholders(file, found):
            raise ConfigError(left)
    return found


Kind = TypeVar("Kind", ChannelSettings, WarehouseSettings)


def _settings_of(
    file: str, name: Any, known: list[str], find: Callable[[str], type[Any]], base: type[Kind]
) -> type[Kind]:
    """The settings class of the connector a file names."""
    cure = f"write one of: {', '.join(known)}"
    if name is None:
        raise ConfigError([Problem(file, "connector", "this key is missing", f'add connector = "…"; {cure}')])
    if not isinstance(name, str):
        raise ConfigError([Problem(file, "connector", "text in quotes is expected", cure)])
    if name not in known:
        what = f"no connector is called {name!r}"
        raise ConfigError([Problem(file, "connector", what, f"{nearest(name, known)} ({cure})")])
    try:
        kind: object = find(name).Settings
    except Exception as error:  # a plugin's import may fail in any way, and only its own channels may stop for it
        what = f"the connector {name!r} cannot be loaded ({type(error).__name__}: {error})"
        raise ConfigError([Problem(file, "connector", what, "install it anew or write to its author")]) from error
    if not (isinstance(kind, type) and issubclass(kind, base)):
        what = f"the connector {name!r} has no Settings derived from {base.__name__}"
        raise ConfigError([Problem(file, "connector", what, "write to its author")])
    return kind


def _check_locations(file: str, named: Mapping[str, str], places: LocationsFile | None, none: str) -> None:
    if not named:
        cure = 'write for example locations = { east = "" }'
        raise ConfigError([Problem(file, "locations", none, cure)])
    if places is None:
        return
    known = {place.name for place in places.locations}
    unknown = [
        Problem(file, f"locations.{name}", f"no such location in {LOCATIONS}", nearest(name, known))
        for name in named
        if name not in known
    ]
    if unknown:
        raise ConfigError(unknown)


def _same_account(channels: Mapping[str, ChannelSettings]) -> list[list[str]]:
    """Channels that differ in nothing that could make them two accounts: their orders would count twice."""
    shared = set(ChannelSettings.model_fields) - {"connector", "base_url", "auth_url"}
    accounts = defaultdict(list)
    for name, channel in channels.items():
        own = channel.model_dump(exclude=shared)
        if set(own) - set(ChannelSettings.model_fields):
            accounts[repr(sorted((key, _bare(value)) for key, value in own.items()))].append(name)
    return [names for names in accounts.values() if len(names) > 1]


def _bare(value: object) -> object:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _twin_problems(names: list[str]) -> list[Problem]:
    files = [f"{CHANNELS}{name}.toml" for name in names]
    return [
        Problem(
            file,
            "",
            f"the same account as {' and '.join(other for other in files if other != file)}",
            "keep one of the files; its orders would count twice",
        )
        for file in files
    ]
