"""An operator's desk: a configuration folder, a store, channels in memory, and the command line over them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from connectors.sandbox import FarEnd
from core.commands.app import build
from core.store.database import Store, connect

BUYER = ("Ada Lovelace", "1 Analytical Way", "buyer@example.test")
"""What no output may hold unless it is asked for."""


@dataclass
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)

    @property
    def told(self) -> str:
        """The one line on stderr."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        return lines[0]


class Desk:
    """Runs commands in this process, as `ordersync` would run them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config"
        self.worlds: list[str] = []
        (self.config / "channels").mkdir(parents=True)
        self.write("ordersync.toml", '[log]\nformat = "json"\n')
        self.write(
            "locations.toml",
            '[[locations]]\nname = "east"\npostal_code = "10001"\npriority = 1\n'
            '[[locations]]\nname = "west"\npostal_code = "94105"\npriority = 2\n',
        )

    def write(self, file: str, text: str) -> None:
        (self.config / file).write_text(text)

    def channel(self, name: str = "shop", **more: str) -> FarEnd:
        """Configures a channel in memory and returns its far end; `more` are keys and their TOML values."""
        world = f"{self.folder.name}/{name}"
        keys = {
            "connector": '"sandbox"',
            "world": json.dumps(world),
            "locations": '{ east = "", west = "" }',
            **more,
        }
        self.write(f"channels/{name}.toml", "".join(f"{key} = {value}\n" for key, value in keys.items()))
        self.worlds.append(world)
        return FarEnd.named(world)

    def run(self, *args: str | int, env: Mapping[str, str] | None = None) -> Ran:
        """Runs a command; what is no mendable error is raised here."""
        result = CliRunner(env=dict(env or {})).invoke(
            build(), [*map(str, args), "--config", str(self.config)], catch_exceptions=False
        )
        return Ran(result.exit_code, result.stdout, result.stderr)

    def ok(self, *args: str | int) -> Any:
        """Runs a command with --json that must end well; returns its document."""
        ran = self.run(*args, "--json")
        assert (ran.code, ran.err) == (0, ""), ran
        return ran.json

    @property
    def path(self) -> Path:
        return self.folder / "ordersync.sqlite"

    def store(self) -> Store:
        """The store beside the commands; the caller closes it."""
        return Store(connect(f"sqlite:///{self.path}"))

    def rows(self, sql: str, **params: Any) -> Sequence[Any]:
        store = self.store()
        try:
            with store.read() as tx:
                return tx.rows(sql, **params)
        finally:
            store.close()

    def change(self, sql: str, **params: Any) -> None:
        store = self.store()
        try:
            with store.write() as tx:
                tx.run(sql, **params)
        finally:
            store.close()

    def close(self) -> None:
        for world in self.worlds:
            FarEnd.forget(world)
