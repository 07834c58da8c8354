"""Which of Walmart's specs judge what is said, and what is known to differ, with the reason."""

from __future__ import annotations

SPECS = (
    "order-management",
    "returns-management",
    "inventory-management",
    "feed-management",
    "authentication",
    "settings-management",
    "notifications-management",
)

_WRAPPED = "the spec shows the single order bare; the vendor's answers, and its own examples, wrap it as `order`"

DIFFERENCES = {
    "response 200: body: '": _WRAPPED,
    "('order' was unexpected)": _WRAPPED,
    "trackingInfo.carrierName.carrier: None": "another carrier's name leaves this one null, in the vendor's answers",
    "None is not of type": "the spec says nothing may be null; the vendor's answers, and one of its own examples, "
    "write out what is absent",
}

_CURSOR = "the cursor is a whole query string of the vendor's own making, appended as it came"

PRACTICE = {
    **{
        f"request query {key}: not a parameter": _CURSOR
        for key in ("hasMoreElements", "turn", "soIndex", "poIndex", "sellerId", "partnerId", "offset")
    },
    "body.errors: {'error'": "the vendor's errors come in more shapes than its spec shows; this is one of them",
    "body: Additional properties are not allowed ('error' was unexpected)": "likewise: the shape its token check has",
    "response 404: a status the spec does not have": "the vendor answers 404 for a SKU it does not know",
    **{
        f"response {status}: a status the spec does not have": "a refusal; most operations list the 200 alone"
        for status in (400, 413, 415, 422)
    },
    **{
        f"response {status}: a status the spec does not have": "the gateway's, before the operation is asked: the "
        "orders' spec writes them out for each operation, the others' for next to none"
        for status in (401, 429)
    },
}
"""Where the vendor's own practice leaves its spec, beside `DIFFERENCES`."""
