"""Which of Amazon's specs judge what is said, and what is known to differ, with the reason."""

from __future__ import annotations

from connectors.amazon.account import OPERATIONS

NAMES = (
    "amazon/orders_2026-01-01.json",
    "amazon/ordersV0.json",
    "amazon/listingsItems_2021-08-01.json",
    "amazon/feeds_2021-06-30.json",
    "amazon/fbaInventory.json",
    "amazon/notifications.json",
    "amazon/fulfillmentOutbound_2020-07-01.json",
)

DIFFERENCES = {
    "POST /auth/o2/token: no such path": "tokens are Login with Amazon's, which these specs do not cover",
    "PUT /presigned/": "a document's address belongs to the store behind it, not to the API",
    "GET /presigned/": "likewise",
    "/reports/2021-06-30/": "no spec of the Reports API is at hand; its shapes are its documentation's",
    "GET /sellers/v1/": "nor of the Sellers API",
}

OUTBOUND = {name for _, pattern, name in OPERATIONS if "outbound" in str(getattr(pattern, "pattern", pattern))}
"""Operations of the warehouse connector that has Amazon send what was sold elsewhere: no channel asks for them."""
