"""The contract of warehouses, kept with files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest

from connectors.filedrop import FileDrop
from core.conformance.far_end import Failure
from core.conformance.warehouses import WarehouseConformance
from core.warehouse import WarehouseConnector
from tests.connectors.filedrop.depot import FileDepot


class TestFileDrop(WarehouseConformance):
    impossible: ClassVar[Mapping[Failure, str]] = {
        Failure.UNAUTHORIZED: "a folder of this machine asks for no credentials",
        Failure.LOST_ANSWER: "a file is renamed into place or it is not: there is no answer to lose",
    }

    @pytest.fixture
    def yard(self, tmp_path: Path) -> FileDepot:
        return FileDepot(tmp_path / "drop")

    @pytest.fixture(params=["csv", "json"])
    def warehouse(self, yard: FileDepot, request: pytest.FixtureRequest) -> WarehouseConnector:
        keys = {"connector": "filedrop", "folder": str(yard.root), "settle_seconds": 0, "unended_seconds": 0}
        return FileDrop("depot", FileDrop.Settings(**keys, format=request.param))
