"""Configuration: `config/*.toml` as typed settings; every problem names its file, its key and its cure."""

from core.settings.keys import (
    PLACEHOLDER,
    ChannelSettings,
    DaemonSettings,
    Instant,
    IssuesSettings,
    LogSettings,
    MetricsSettings,
    StoreSettings,
    Table,
    WarehouseSettings,
    WebAddress,
)
from core.settings.load import Settings, load, problems
from core.settings.problem import ConfigError, Problem
from core.settings.routing_keys import LocationSettings, RoutingSettings
from core.settings.secret import Secret
from core.settings.watch import Change, Reload, Watched
from core.settings.wrong import wrong

__all__ = [
    "PLACEHOLDER",
    "Change",
    "ChannelSettings",
    "ConfigError",
    "DaemonSettings",
    "Instant",
    "IssuesSettings",
    "LocationSettings",
    "LogSettings",
    "MetricsSettings",
    "Problem",
    "Reload",
    "RoutingSettings",
    "Secret",
    "Settings",
    "StoreSettings",
    "Table",
    "WarehouseSettings",
    "Watched",
    "WebAddress",
    "load",
    "problems",
    "wrong",
]
