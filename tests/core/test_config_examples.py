"""What stands in config/: schemas and examples that are never stale, and that load as they stand."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from core import connector
from core.settings import ChannelSettings, Settings, load
from core.settings.keys import LocationSettings, LocationsFile, OrdersyncFile, RoutingSettings
from core.settings.schemas import files, write

CONFIG = Path(__file__).parents[2] / "config"
CONNECTORS = connector.names()
SHARED = {"ordersync": OrdersyncFile, "locations": LocationsFile, "routing": RoutingSettings}


class Anything(dict[str, str]):
    """An environment that knows every secret."""

    def __contains__(self, name: object) -> bool:
        return not str(name).endswith("_FILE")

    def __missing__(self, name: str) -> str:
        return f"value-of-{name}"


def uncommented(text: str) -> str:
    """An example with every key set that it shows behind a #."""
    return re.sub(r"^#(?=\w+ = )", "", text, flags=re.MULTILINE)


def shipped(folder: Path, channels: Mapping[str, str]) -> Settings:
    """The shared files as they are shipped, with these channels' files."""
    (folder / "channels").mkdir(parents=True)
    for name in SHARED:
        shutil.copy(CONFIG / f"{name}.toml", folder)
    for name, text in channels.items():
        (folder / "channels" / f"{name}.toml").write_text(text)
    return load(folder, Anything())


def plain(value: object) -> object:
    return json.loads(json.dumps(value, default=lambda instant: instant.isoformat()))


def judge(schema: Path) -> Draft202012Validator:
    found = json.loads(schema.read_text())
    Draft202012Validator.check_schema(found)
    return Draft202012Validator(found)


def test_schemas_and_examples_are_what_the_settings_say_now() -> None:
    paths = [*CONFIG.glob("schemas/*.json"), *CONFIG.glob("channels/*.toml.example")]
    found = {path.relative_to(CONFIG).as_posix(): path.read_text() for path in paths}
    assert found == files(), "run make schemas"


def test_writing_removes_what_no_connector_owns_any_more(tmp_path: Path) -> None:
    stale = tmp_path / "schemas" / "gone.json"
    stale.parent.mkdir()
    stale.write_text("{}")
    write(tmp_path)
    assert not stale.exists()
    assert (tmp_path / "channels/sandbox.toml.example").exists()


def test_a_fresh_configuration_lacks_nothing_but_a_channel(tmp_path: Path) -> None:
    settings = shipped(tmp_path / "config", {})
    assert [problem.file for problem in settings.problems] == ["channels"]
    assert {place.name for place in settings.locations} == {"east", "west"}


@pytest.mark.parametrize("name", CONNECTORS)
def test_every_channel_example_loads_as_it_stands_with_nothing_but_defaults(name: str, tmp_path: Path) -> None:
    text = (CONFIG / f"channels/{name}.toml.example").read_text()
    settings = shipped(tmp_path / "config", {name: text})
    assert settings.problems == ()
    channel = settings.channels[name]
    assert type(channel) is connector.find(name).Settings
    for key, field in type(channel).model_fields.items():
        if key not in tomllib.loads(text):
            assert getattr(channel, key) == field.default, key


@pytest.mark.parametrize("name", CONNECTORS)
def test_every_channel_example_shows_every_key_and_its_default(name: str) -> None:
    text = uncommented((CONFIG / f"channels/{name}.toml.example").read_text())
    kind: type[ChannelSettings] = connector.find(name).Settings
    table = tomllib.loads(text)
    assert set(table) == set(kind.model_fields)
    for key, field in kind.model_fields.items():
        assert field.description, f"{key} has no text an operator could read"
        if not field.is_required() and field.default is not None and key != "locations":
            assert table[key] == plain(field.default), key


@pytest.mark.parametrize("name", CONNECTORS)
def test_a_connectors_schema_takes_its_example_and_no_other_key(name: str) -> None:
    schema = judge(CONFIG / f"schemas/{name}.json")
    text = (CONFIG / f"channels/{name}.toml.example").read_text()
    assert text.startswith(f"#:schema ../schemas/{name}.json\n")
    table = plain(tomllib.loads(uncommented(text)))
    assert isinstance(table, dict)
    assert not [error.message for error in schema.iter_errors(table)]
    assert [*schema.iter_errors(table | {"bufer": 1})]
    assert [*schema.iter_errors(table | {"connector": "another"})]


@pytest.mark.parametrize("name", SHARED)
def test_a_shared_file_is_what_its_schema_says(name: str) -> None:
    text = (CONFIG / f"{name}.toml").read_text()
    assert text.startswith(f"#:schema schemas/{name}.json\n")
    schema = judge(CONFIG / f"schemas/{name}.json")
    table = tomllib.loads(uncommented(text))
    assert not [error.message for error in schema.iter_errors(table)]
    assert [*schema.iter_errors({**table, "unknown": 1})]


def test_the_shared_files_show_every_key_with_its_default() -> None:
    shown = {name: tomllib.loads(uncommented((CONFIG / f"{name}.toml").read_text())) for name in SHARED}
    for table, field in OrdersyncFile.model_fields.items():
        defaults = field.default.model_dump()
        assert set(shown["ordersync"][table]) == set(defaults)
        named = {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in defaults.items()
            if value is not None
        }
        assert {key: shown["ordersync"][table][key] for key in named} == named
    assert shown["routing"] == plain(RoutingSettings().model_dump())
    place = shown["locations"]["locations"][0]
    assert set(place) == set(LocationSettings.model_fields)
    for key in ("country", "priority", "active"):
        assert place[key] == LocationSettings.model_fields[key].default
