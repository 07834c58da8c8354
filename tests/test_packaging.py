"""The installed package: its top-level names are its own, and every name it registers can be imported."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import EntryPoint, distribution, packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = ("core", "connectors", "daemon", "ordersync")


def _registered() -> Iterator[EntryPoint]:
    """Every entry point that pyproject.toml declares."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = {"console_scripts": project["scripts"], **project["entry-points"]}
    for group, points in groups.items():
        for name, value in points.items():
            yield EntryPoint(name, value, group)


def _intruders(owners: dict[str, list[str]]) -> dict[str, set[str]]:
    """The distributions other than ours that ship one of our top-level names."""
    found = {name: set(owners.get(name, ())) - {"ordersync"} for name in OURS}
    return {name: others for name, others in found.items() if others}


def test_no_other_distribution_ships_our_top_level_names() -> None:
    owners = {name: list(others) for name, others in packages_distributions().items()}
    assert not _intruders(owners), f"uninstall what shadows ordersync's packages: {_intruders(owners)}"


def test_a_distribution_that_ships_core_is_noticed() -> None:
    assert _intruders({"core": ["ordersync", "other"], "json": ["else"]}) == {"core": {"other"}}


@pytest.mark.parametrize("point", list(_registered()), ids=lambda point: f"{point.group}:{point.name}")
def test_every_registered_name_resolves(point: EntryPoint) -> None:
    assert callable(point.load()), f"{point.value} is no class or function"


def test_what_is_installed_is_what_the_project_declares() -> None:
    def plain(points: Iterable[EntryPoint]) -> set[tuple[str, str, str]]:
        return {(point.group, point.name, point.value) for point in points}

    installed = distribution("ordersync").entry_points
    assert plain(installed) == plain(_registered()), "the environment is stale; run make venv"
