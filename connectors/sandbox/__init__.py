"""A channel in memory: the reference for plugin authors, who copy this folder and make it speak to their channel.

Read in this order: `client.py` (the connector and the one way to the far end), `orders.py` (documents to orders),
`pushes.py` (what the channel is told), `hints.py` (what it tells by itself). `far_end.py`, `telling.py` and `wire.py`
are the channel itself, which a real plugin does not write but simulates. `docs/connectors.md` says how to begin.
"""

from connectors.sandbox.client import Sandbox
from connectors.sandbox.far_end import FarEnd

__all__ = ["FarEnd", "Sandbox"]
