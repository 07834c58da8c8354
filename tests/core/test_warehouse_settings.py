"""config/warehouses: read strictly, explained by examples, and one warehouse's trouble is its own."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from core import warehouse
from core.settings import Settings, WarehouseSettings, Watched, load, problems
from tests.core.configured import ENVIRON, write
from tests.core.test_config_examples import CONFIG, Anything, judge, plain, uncommented

SHARED = {
    "ordersync.toml": "[log]\nlevel = 'debug'\n",
    "locations.toml": '[[locations]]\nname = "east"\n[[locations]]\nname = "west"\n',
    "channels/shop.toml": 'connector = "sandbox"\nlocations = { east = "" }\n',
}
DEPOT = 'connector = "sandbox"\nlocations = { east = "E" }\n'

FILLED: dict[str, dict[str, str]] = {
    "http": {"base_url": "https://wms.depot.test/ordersync"},
    "amazon_mcf": {"client_id": "amzn1.application-oa2-client.5f"},
}
"""What somebody has to fill into each example, by connector."""


def set_up(folder: Path, **warehouses: str) -> Path:
    return write(folder, {**SHARED, **{f"warehouses/{name}.toml": text for name, text in warehouses.items()}})


def told(folder: Path) -> list[str]:
    return [str(problem) for problem in problems(folder, ENVIRON)]


def test_a_warehouse_is_read_in_its_connectors_own_words(tmp_path: Path) -> None:
    settings = load(set_up(tmp_path, depot=DEPOT + 'yard = "a"\nskus = { TEE = "T" }\n'), {})
    assert settings.problems == ()
    own = settings.warehouses["depot"]
    assert isinstance(own, warehouse.find("sandbox").Settings)
    assert (own.locations, own.skus, own.key_prefix, own.poll_seconds) == ({"east": "E"}, {"TEE": "T"}, "OS-", 60)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (DEPOT + "pol_seconds = 3\n", "depot.toml: unknown key `pol_seconds`; did you mean `poll_seconds`?"),
        ('connector = "sanbox"\n', "depot.toml: connector: no connector is called 'sanbox'; did you mean `sandbox`?"),
        (DEPOT.replace("east", "moon"), "depot.toml: locations.moon: no such location in locations.toml"),
        ('connector = "sandbox"\n', "depot.toml: locations: it serves no location"),
        (DEPOT + 'key_prefix = "a b"\n', "depot.toml: key_prefix: the text has not the right form"),
        (
            'connector = "filedrop"\nlocations = { east = "" }\nfolder = "/drop"\nsftp_host_key = "what"\n',
            "depot.toml: sftp_host_key: the text has not the right form; "
            'write for example sftp_host_key = "ssh-ed25519 AAAA"',
        ),
        (DEPOT + 'skus = { A = "X", B = "X" }\n', "depot.toml: skus names X for two items"),
        ("connector = ", "depot.toml:1"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_that_warehouse_out(tmp_path: Path, text: str, line: str) -> None:
    folder = set_up(tmp_path, depot=text, west=DEPOT.replace("east", "west"))
    (found,) = told(folder)
    assert found.startswith(f"warehouses/{line}")
    assert set(load(folder, {}).warehouses) == {"west"}


def test_no_two_warehouses_serve_one_location(tmp_path: Path) -> None:
    folder = set_up(tmp_path, a=DEPOT, b=DEPOT, c=DEPOT + "enabled = false\n")
    assert told(folder) == [
        "warehouses/b.toml: locations.east: east is served by a already; name it in one of the two files"
    ]
    settings = load(folder, {})
    assert (set(settings.warehouses), settings.resting) == ({"a"}, ("c",))


def test_no_warehouse_is_called_as_a_channel(tmp_path: Path) -> None:
    assert told(set_up(tmp_path, shop=DEPOT)) == [
        "warehouses/shop.toml: a channel is called shop already; rename one of the two"
    ]


def look(watched: Watched) -> Settings:
    watched.look()
    watched.look()
    return watched.settings


def test_a_file_that_goes_bad_keeps_its_last_good_settings(tmp_path: Path) -> None:
    watched = Watched(set_up(tmp_path, depot=DEPOT), {})
    set_up(tmp_path, depot=DEPOT + "poll_seconds = 0\n")
    assert look(watched).warehouses["depot"].poll_seconds == 60
    set_up(tmp_path, depot=DEPOT + "poll_seconds = 9\n")
    watched.look()
    seen = watched.look()
    assert seen is not None
    assert [str(change) for change in seen.changes] == ["warehouses/depot.toml: poll_seconds: 60 -> 9"]
    (tmp_path / "warehouses/depot.toml").unlink()
    assert dict(look(watched).warehouses) == {}


def test_a_location_that_passes_to_another_warehouse_is_served_by_one(tmp_path: Path) -> None:
    watched = Watched(set_up(tmp_path, depot=DEPOT), {})
    set_up(tmp_path, depot="connector = ", north=DEPOT)
    assert set(look(watched).warehouses) == {"north"}


def filled_in(name: str, text: str, keys: Mapping[str, str]) -> str:
    for key, value in keys.items():
        text = "\n".join(f'{key} = "{value}"' if line.startswith(f"{key} = ") else line for line in text.splitlines())
    return text


@pytest.mark.parametrize("name", warehouse.known())
def test_every_example_loads_once_it_is_filled_in_and_shows_every_key_and_its_default(
    name: str, tmp_path: Path
) -> None:
    text = (CONFIG / f"warehouses/{name}.toml.example").read_text()
    folder = set_up(tmp_path, depot=filled_in(name, text, FILLED.get(name, {})))
    settings = load(folder, Anything())
    assert settings.problems == ()
    kind: type[WarehouseSettings] = warehouse.find(name).Settings
    assert type(settings.warehouses["depot"]) is kind
    table = tomllib.loads(uncommented(text))
    assert set(table) == set(kind.model_fields)
    for key, field in kind.model_fields.items():
        assert field.description, f"{key} has no text an operator could read"
        if not field.is_required() and field.default is not None and field.default_factory is None:
            assert table[key] == plain(field.default), key


@pytest.mark.parametrize("name", warehouse.known())
def test_a_schema_takes_its_example_and_no_other_key(name: str) -> None:
    schema = judge(CONFIG / f"schemas/warehouses/{name}.json")
    text = (CONFIG / f"warehouses/{name}.toml.example").read_text()
    assert text.startswith(f"#:schema ../schemas/warehouses/{name}.json\n")
    table = plain(tomllib.loads(uncommented(text)))
    assert isinstance(table, dict)
    assert not [error.message for error in schema.iter_errors(table)]
    assert [*schema.iter_errors(table | {"bufer": 1})]
    assert [*schema.iter_errors(table | {"connector": "another"})]
