"""A warehouse that speaks plain signed HTTP, called `http` in its file: docs/warehouses.md has the format.

`client.py` is the connector, `signing.py` what both sides sign with; the events are those of `connectors.notices`.
"""

from connectors.webhook.client import Webhook

__all__ = ["Webhook"]
