"""The SDK's Fulfillment Outbound operations (Multi-Channel Fulfillment), sent as our account sends all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import httpx
from sp_api.base import fill_query_params, sp_endpoint

ROOT = "/fba/outbound/2020-07-01/fulfillmentOrders"


class Outbound:
    """What `connectors.amazon.account.Seller` can do besides; each returns the wire's answer as it came."""

    _request: Callable[..., httpx.Response]
    """The account's own way to send."""

    @sp_endpoint(ROOT, method="POST")  # type: ignore[untyped-decorator] # no types
    def create_fulfillment_order(self, order: Mapping[str, Any], *, path: str, method: str) -> httpx.Response:
        return self._request(path, data={"method": method, **order}, add_marketplace=False)

    @sp_endpoint(ROOT)  # type: ignore[untyped-decorator] # no types
    def list_fulfillment_orders(self, *, path: str, method: str, **parameters: str) -> httpx.Response:
        return self._request(path, params={"method": method, **parameters}, add_marketplace=False)

    @sp_endpoint(f"{ROOT}/{{}}")  # type: ignore[untyped-decorator] # no types
    def get_fulfillment_order(self, key: str, *, path: str, method: str) -> httpx.Response:
        return self._request(fill_query_params(path, key), params={"method": method}, add_marketplace=False)

    @sp_endpoint(f"{ROOT}/{{}}/cancel", method="PUT")  # type: ignore[untyped-decorator] # no types
    def cancel_fulfillment_order(self, key: str, *, path: str, method: str) -> httpx.Response:
        return self._request(fill_query_params(path, key), data={"method": method}, add_marketplace=False)
