"""What the tests of the configuration share: a folder to write into, and connectors of three kinds."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Literal

import pytest

from core import connector
from core.settings import ChannelSettings, Secret, problems

TOKEN = "shpat_never-to-be-seen"
ENVIRON = {"SHOP_TOKEN": TOKEN}


class Shop:
    """A connector with a secret and a key of its own."""

    class Settings(ChannelSettings):
        shop: str
        """The shop's name."""
        access_token: Secret
        region: Literal["na", "eu"] = "na"
        marketplaces: tuple[str, ...] = ()


class Unsettled:
    """A connector whose author forgot what Settings are."""

    Settings = dict


POINTS = {
    "shop": "tests.core.configured:Shop",
    "unsettled": "tests.core.configured:Unsettled",
    "torn": "tests.core.no_such_module:Torn",
}


def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let these connectors be the registered ones."""
    points = {name: EntryPoint(name, value, connector.CONNECTORS) for name, value in POINTS.items()}
    monkeypatch.setattr(connector, "_points", lambda group: points)


SOUND: Mapping[str, str] = {
    "ordersync.toml": "[log]\nlevel = 'debug'\n",
    "locations.toml": '[[locations]]\nname = "east"\npostal_code = "07102"\n[[locations]]\nname = "west"\n',
    "routing.toml": "split = false\n",
    "channels/shop.toml": (
        'connector = "shop"\nshop = "acme"\naccess_token = "secret:SHOP_TOKEN"\n'
        'locations = { east = "gid://1", west = "" }\nbuffer = 2\nmarketplaces = ["US", "CA"]\n'
    ),
    "channels/other.toml": (
        'connector = "shop"\nshop = "other"\naccess_token = "secret:SHOP_TOKEN"\nlocations = { west = "7" }\n'
    ),
}
"""A configuration without fault, by file."""


def write(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Put `files` into a configuration folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def mend(folder: Path, file: str, old: str, new: str) -> None:
    """Replace what a file says, which it must have said."""
    path = folder / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def told(folder: Path) -> list[str]:
    """The lines `check` prints; whatever they say, they never quote a secret and never span lines."""
    found = [str(problem) for problem in problems(folder, ENVIRON)]
    assert not [line for line in found if TOKEN in line or "\n" in line or "\x1b" in line]
    return found
