"""Walmart Marketplace US: orders, acknowledgements, tracking and inventory. Begin reading in `client.py`."""

from connectors.walmart.client import Walmart, WalmartSettings

__all__ = ["Walmart", "WalmartSettings"]
