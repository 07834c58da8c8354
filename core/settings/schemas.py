"""JSON Schemas of the configuration files, for editors: `python -m core.settings.schemas` writes them anew.

A file names its schema in its first line (`#:schema …`); the editors' TOML extensions then complete keys, show what
they mean and mark mistakes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core import connector
from core.settings.keys import LocationsFile, OrdersyncFile, RoutingSettings


def schemas() -> Mapping[str, dict[str, Any]]:
    """The schema of each file, by file name: the shared ones, and one for the channels of each connector there is."""
    tables: dict[str, type[Any]] = {
        "ordersync": OrdersyncFile,
        "locations": LocationsFile,
        "routing": RoutingSettings,
        **{name: connector.find(name).Settings for name in connector.names()},
    }
    found = {name: _schema(table) for name, table in tables.items()}
    for name in connector.names():
        found[name]["properties"]["connector"] |= {"const": name, "examples": [name]}
    return {f"{name}.json": schema for name, schema in found.items()}


def text(schema: Mapping[str, Any]) -> str:
    """A schema as its file holds it."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def write(folder: Path) -> None:
    """Write every schema into `folder`, and remove those of connectors that are gone."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = schemas()
    for name, schema in wanted.items():
        (folder / name).write_text(text(schema), encoding="utf-8")
    for path in folder.glob("*.json"):
        if path.name not in wanted:
            path.unlink()


def _schema(table: type[Any]) -> dict[str, Any]:
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **table.model_json_schema()}


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "config/schemas"))
