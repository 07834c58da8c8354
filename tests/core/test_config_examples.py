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
from core.settings.keys import OrdersyncFile
from core.settings.routing_keys import LocationSettings, LocationsFile, RoutingSettings
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
    written = ("schemas/*.json", "schemas/warehouses/*.json", "channels/*.toml.example", "warehouses/*.toml.example")
    paths = [path for pattern in written for path in CONFIG.glob(pattern)]
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


OWN = {
    "shopify": {"shop": "spring-and-sons"},
    "amazon": {"seller_id": "A2K1XQ", "client_id": "amzn1.application-oa2-client.5f"},
    "walmart": {"client_id": "5f-11"},
    "sandbox": dict[str, str](),
}
"""What somebody has to fill into each example."""


def example(name: str) -> str:
    return (CONFIG / f"channels/{name}.toml.example").read_text()


def filled_in(name: str) -> str:
    text = example(name)
    for key, value in OWN[name].items():
        text = re.sub(rf"^{key} = .*$", f'{key} = "{value}"', text, flags=re.MULTILINE)
    return text


@pytest.mark.parametrize("name", CONNECTORS)
def test_every_channel_example_loads_once_it_is_filled_in_with_nothing_but_defaults(name: str, tmp_path: Path) -> None:
    text = filled_in(name)
    settings = shipped(tmp_path / "config", {name: text})
    assert settings.problems == ()
    channel = settings.channels[name]
    assert type(channel) is connector.find(name).Settings
    for key, field in type(channel).model_fields.items():
        if key not in tomllib.loads(text):
            assert getattr(channel, key) == field.default, key


@pytest.mark.parametrize("name", CONNECTORS)
def test_an_example_that_nobody_filled_in_is_told_key_by_key_and_not_worked_with(name: str, tmp_path: Path) -> None:
    settings = shipped(tmp_path / "config", {name: example(name)})
    assert {problem.key for problem in settings.problems} == set(OWN[name])
    assert set(settings.channels) == ({name} - ({name} if OWN[name] else set()))


def test_what_is_to_be_filled_in_is_one_line_with_what_it_means(tmp_path: Path) -> None:
    channels = {name: example(name) for name in ("amazon", "shopify", "walmart")}
    assert [str(problem) for problem in shipped(tmp_path / "config", channels).problems] == [
        "channels/amazon.toml: seller_id: this is still the example's value; "
        "write your own: the seller's id (merchant token), from Seller Central under Account Info",
        "channels/amazon.toml: client_id: this is still the example's value; "
        "write your own: the application's Login with Amazon client id",
        "channels/shopify.toml: shop: this is still the example's value; "
        "write your own: the shop's name at myshopify.com",
        "channels/walmart.toml: client_id: this is still the example's value; "
        "write your own: client id of the seller's API key, from the portal",
    ]


def test_an_address_that_only_shows_the_form_is_told_too(tmp_path: Path) -> None:
    text = filled_in("walmart").replace("#base_url", "base_url")
    (problem,) = shipped(tmp_path / "config", {"walmart": text}).problems
    assert (problem.key, problem.what) == ("base_url", "this is still the example's value")


def test_a_channel_that_is_switched_off_may_be_filled_in_later(tmp_path: Path) -> None:
    text = example("walmart").replace("#enabled = true", "enabled = false")
    settings = shipped(tmp_path / "config", {"walmart": text})
    assert (settings.problems, settings.disabled) == ((), ("walmart",))


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
    defaults = plain(RoutingSettings().model_dump())
    assert isinstance(defaults, dict)
    assert set(shown["routing"]) == set(defaults)
    plainly = {key: value for key, value in defaults.items() if not isinstance(value, dict | None)}
    assert {key: shown["routing"][key] for key in plainly} == plainly
    place = shown["locations"]["locations"][0]
    assert set(place) == set(LocationSettings.model_fields)
    for key in ("country", "priority", "active", "keep"):
        assert place[key] == LocationSettings.model_fields[key].default
