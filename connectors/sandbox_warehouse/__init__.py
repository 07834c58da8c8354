"""A warehouse in memory: the reference for authors of warehouse connectors, who copy this folder and make it speak to
theirs.

Read `client.py` first. `yard.py` is the warehouse itself, which a real plugin does not write but simulates. What its
events look like stands in `connectors.notices`; docs/warehouses.md says how to begin.
"""

from connectors.sandbox_warehouse.client import SandboxWarehouse
from connectors.sandbox_warehouse.yard import Yard

__all__ = ["SandboxWarehouse", "Yard"]
