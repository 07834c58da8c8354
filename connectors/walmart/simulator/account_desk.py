"""What Walmart tells of the account itself: what its key may do, how it stands, and its ship nodes."""

from __future__ import annotations

import time
from collections.abc import Sequence

from werkzeug.wrappers import Response

from connectors.walmart.simulator import answers
from connectors.walmart.simulator.front_desk import Asked

SCOPES = (
    "reports",
    "item",
    "shipping",
    "price",
    "lagtime",
    "feeds",
    "returns",
    "orders",
    "rules",
    "inventory",
    "content",
)


class AccountDesk:
    """Answers about one account. What a test changes of it is changed here."""

    def __init__(self, nodes: Sequence[str]) -> None:
        self.scopes = dict.fromkeys(SCOPES, "full_access")
        self.status = "ACTIVE"
        self.nodes = dict.fromkeys(nodes, "ACTIVE")

    def token_detail(self, asked: Asked) -> Response:
        asked.only()
        if asked.request.mimetype != "application/json":
            raise answers.gateway(415, "UNSUPPORTED_MEDIA_TYPE", "a content type is required", "Content-Type")
        now = int(time.time() * 1000)
        detail = {"expire_at": str(now + 900_000), "issued_at": str(now), "is_valid": True, "is_channel_match": True}
        return answers.json(detail | {"scopes": self.scopes})

    def profile(self, asked: Asked) -> Response:
        asked.only()
        partner = {"partnerId": "10001", "partnerName": "Seller", "partnerDisplayName": "Seller"}
        account = {"configurationName": "ACCOUNT", "configuration": {"status": self.status}}
        return answers.json({"partner": partner, "configurations": [account]})

    def ship_nodes(self, asked: Asked) -> Response:
        asked.only("includeCalendarDayConfiguration")
        return answers.json(
            [
                {"shipNode": node, "nodeType": "PHYSICAL", "shipNodeName": f"Node {node}", "status": status}
                for node, status in self.nodes.items()
            ]
        )
