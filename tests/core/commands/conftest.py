"""A desk for every test of the commands."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.sandbox import FarEnd
from tests.core.commands.desk import Desk


@pytest.fixture
def desk(tmp_path: Path, sqlite_template: Path) -> Iterator[Desk]:
    """A folder with two locations, no channel yet, and an empty store."""
    shutil.copyfile(sqlite_template, tmp_path / "ordersync.sqlite")
    made = Desk(tmp_path)
    yield made
    made.close()


@pytest.fixture
def shop(desk: Desk) -> FarEnd:
    """The far end of a channel `shop` with tees and mugs on offer, both in stock here: 10 tees, 1 mug."""
    far_end = desk.channel()
    far_end.offer("TEE", {"": 3})
    far_end.offer("MUG", {"": 3})
    desk.ok("stock", "receive", "TEE", "east", 10)
    desk.ok("stock", "receive", "MUG", "west", 1)
    return far_end
