"""The contract of warehouse connectors as a test suite: each promise of `core.warehouse` and `core.handover` is a test.

A plugin's suite is one class and two fixtures:

    class TestMyWarehouse(WarehouseConformance):
        @pytest.fixture
        def yard(self): ...      # what `Yard` describes: a simulator of the warehouse, or an adapter to one
        @pytest.fixture
        def warehouse(self, yard): ...      # the connector, its settings pointing at that yard

Each test wants a fresh yard with at least two SKUs and no work. A test of a deed that the connector declares absent
passes without asking anything; one that needs a failure the yard cannot be told to have is skipped, with that reason.

Every check is a method that may also be called by itself: `Suite().test_...(warehouse, yard)`.
"""

from core.conformance.warehouses.failing import Failing
from core.conformance.warehouses.given import Given
from core.conformance.warehouses.handing import Handing
from core.conformance.warehouses.reading import Reading
from core.conformance.warehouses.stocking import Stocking
from core.conformance.warehouses.telling import Telling
from core.conformance.warehouses.yard import Order, Yard

__all__ = ["Given", "Order", "WarehouseConformance", "Yard"]


class WarehouseConformance(Handing, Telling, Stocking, Reading, Failing):
    """The whole contract. Subclass it in a test module and give the fixtures `warehouse` and `yard`."""
