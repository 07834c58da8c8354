"""What helps at writing the files: a JSON Schema of each for editors, and an example of each connector's.

`python -m core.settings.schemas` writes them anew into `config/schemas`, `config/channels` and `config/warehouses`. A
file names its schema in its first line (`#:schema …`); editors' TOML extensions then complete keys, show what they mean
and mark mistakes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core import connector, warehouse
from core.settings.examples import example, warehouse_example
from core.settings.keys import OrdersyncFile
from core.settings.routing_keys import LocationsFile, RoutingSettings


def schemas() -> Mapping[str, dict[str, Any]]:
    """The schema of each file, by file name: the shared ones, one for the channels and one for the warehouses of each
    connector there is."""
    tables: dict[str, type[Any]] = {
        "ordersync": OrdersyncFile,
        "locations": LocationsFile,
        "routing": RoutingSettings,
        **{name: connector.find(name).Settings for name in connector.names()},
    }
    found = {name: _schema(table) for name, table in tables.items()}
    for name in connector.names():
        found[name]["properties"]["connector"] |= {"const": name, "examples": [name]}
    for name in warehouse.known():
        found[f"warehouses/{name}"] = _schema(warehouse.find(name).Settings)
        found[f"warehouses/{name}"]["properties"]["connector"] |= {"const": name, "examples": [name]}
    return {f"{name}.json": schema for name, schema in found.items()}


def files() -> Mapping[str, str]:
    """Every file written by `write`, by its name in the configuration folder."""
    texts = {f"schemas/{name}": json.dumps(schema, indent=2, ensure_ascii=False) for name, schema in schemas().items()}
    texts |= {
        f"channels/{name}.toml.example": example(name, connector.find(name).Settings) for name in connector.names()
    }
    texts |= {
        f"warehouses/{name}.toml.example": warehouse_example(name, warehouse.find(name).Settings)
        for name in warehouse.known()
    }
    return {name: f"{text.rstrip()}\n" for name, text in texts.items()}


def write(folder: Path) -> None:
    """Write the schemas and examples into a configuration folder, and remove those of connectors that are gone."""
    wanted = files()
    written = ("schemas/*.json", "schemas/warehouses/*.json", "channels/*.toml.example", "warehouses/*.toml.example")
    for path in (path for pattern in written for path in folder.glob(pattern)):
        if path.relative_to(folder).as_posix() not in wanted:
            path.unlink()
    for name, text in wanted.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _schema(table: type[Any]) -> dict[str, Any]:
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **table.model_json_schema()}


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "config"))
