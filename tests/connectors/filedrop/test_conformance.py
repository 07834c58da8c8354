"""The contract of warehouses, kept with files."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.filedrop import FileDrop
from core.conformance.warehouses import WarehouseConformance
from core.warehouse import WarehouseConnector
from tests.connectors.filedrop.depot import FileDepot


class TestFileDrop(WarehouseConformance):
    @pytest.fixture
    def yard(self, tmp_path: Path) -> FileDepot:
        return FileDepot(tmp_path / "drop")

    @pytest.fixture(params=["csv", "json"])
    def warehouse(self, yard: FileDepot, request: pytest.FixtureRequest) -> WarehouseConnector:
        keys = {"connector": "filedrop", "folder": str(yard.root), "settle_seconds": 0}
        return FileDrop("depot", FileDrop.Settings(**keys, format=request.param))
