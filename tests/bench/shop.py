"""A shop that serves pages of two-line orders, as many as our query asks for, from a process of its own, as fast as a
socket takes them.

The form of an order is the Shopify simulator's, taken once; a page is that form with other ids, SKUs, instants and
ZIP codes, rendered before it is asked for. What is served follows from the address alone, so any number of pulls may
read the same orders: `/<goods>/<first>/<count>` are the orders `first` and so on, on `wide` (a thousand SKUs, the
n-th asked for with a weight of 1/n) or `hot` (one SKU) goods.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from bisect import bisect
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import accumulate
from random import Random
from typing import Any

from connectors.shopify import queries

PAGE = queries.PAGE
WIDE = [f"SKU-{number:04d}" for number in range(1000)]
HOT = ["HOT-0", "HOT-1"]
"""What the hot orders' two lines are of: the hot one, and one there is enough of."""

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
"""When order 0 was placed; the others follow, a hundred a second."""
_STEP = timedelta(milliseconds=10)
_PLACES = (
    ("NY", "10001"), ("IL", "60601"), ("TX", "73301"), ("CA", "94110"), ("MO", "64106"), ("FL", "33101"),
    ("WA", "98101"),
)  # fmt: skip
_DRAWS = 65_536
_MARKS = {"ORDERNUMBER": "o", "FIRSTLINE": "a", "SECONDLINE": "b", "PARTNUMBER": "p", "FIRSTSKU": "s", "SECONDSKU": "t"}


class Press:
    """Renders orders and pages."""

    def __init__(self) -> None:
        self._form = _form()
        draw = Random(0)
        weights = list(accumulate(1 / (rank + 1) for rank in range(len(WIDE))))
        self._drawn = [WIDE[bisect(weights, draw.random() * weights[-1])] for _ in range(_DRAWS)]

    def order(self, goods: str, number: int) -> bytes:
        """One order as JSON."""
        first, second = HOT if goods == "hot" else self._two(number)
        region, code = _PLACES[number % len(_PLACES)]
        at = (BEGIN + number * _STEP).strftime("%Y-%m-%dT%H:%M:%S.%fZ").encode()
        return self._form % {
            b"o": b"%d" % (8_000_000_000_000 + number),
            b"a": b"%d" % (9_000_000_000_000 + 2 * number),
            b"b": b"%d" % (9_000_000_000_001 + 2 * number),
            b"p": b"%d" % (7_000_000_000_000 + number),
            b"s": first.encode(),
            b"t": second.encode(),
            b"at": at,
            b"zip": code.encode(),
            b"region": region.encode(),
        }

    def page(self, goods: str, begin: int, end: int, last: bool) -> bytes:
        """The answer that holds the orders from `begin` to before `end`."""
        nodes = b",".join(self.order(goods, number) for number in range(begin, end))
        more = b"false" if last else b"true"
        return (
            b'{"data":{"orders":{"nodes":[%s],"pageInfo":{"hasNextPage":%s,"endCursor":"%d"}}},"extensions":{"cost":'
            b'{"requestedQueryCost":926,"actualQueryCost":926,"throttleStatus":{"maximumAvailable":20000.0,'
            b'"currentlyAvailable":19000,"restoreRate":1000.0}}}}' % (nodes, more, end)
        )

    def _two(self, number: int) -> tuple[str, str]:
        first, second = self._drawn[2 * number % _DRAWS], self._drawn[(2 * number + 1) % _DRAWS]
        return (first, second) if first != second else (first, WIDE[(WIDE.index(first) + 1) % len(WIDE)])


def _form() -> bytes:
    """A two-line order as the simulator answers it, with a named place for everything that differs between orders."""
    from connectors.shopify.simulator import ShopifySimulator
    from connectors.simulation import SimulatedLine, SimulatedListing, SimulatedOrder

    goods = [
        SimulatedListing(sku=sku, title=title, price=price, quantities=dict.fromkeys(ShopifySimulator.places, 9))
        for sku, title, price in (("FIRSTSKU", "A tee", Decimal("19.90")), ("SECONDSKU", "A mug", Decimal("5.00")))
    ]
    simulator = ShopifySimulator(listings=goods)
    lines = (SimulatedLine(sku="FIRSTSKU", quantity=1), SimulatedLine(sku="SECONDSKU", quantity=2))
    simulator.place(SimulatedOrder(lines=lines))
    with simulator:
        asked = {"query": "updated_at:>='2020-01-01T00:00:00Z'", "after": None, "first": PAGE}
        node = _ask(simulator.base_url, simulator.issue_token(), {"query": queries.orders(False), "variables": asked})
    first, second = node["lineItems"]["nodes"]
    node["id"], node["name"] = "gid://shopify/Order/ORDERNUMBER", "#ORDERNUMBER"
    first["id"], second["id"] = "gid://shopify/LineItem/FIRSTLINE", "gid://shopify/LineItem/SECONDLINE"
    node["fulfillmentOrders"]["nodes"][0]["id"] = "gid://shopify/FulfillmentOrder/PARTNUMBER"
    node["createdAt"] = node["updatedAt"] = "INSTANT"
    node["shippingAddress"]["zip"], node["shippingAddress"]["provinceCode"] = "ZIPCODE", "REGION"
    node["email"] = "buyerORDERNUMBER@example.test"
    form = json.dumps(node, separators=(",", ":")).replace("%", "%%")
    for mark, key in (*_MARKS.items(), ("INSTANT", "at"), ("ZIPCODE", "zip"), ("REGION", "region")):
        form = form.replace(mark, f"%({key})s")
    return form.encode()


def _ask(base: str, token: str, body: dict[str, Any]) -> dict[str, Any]:
    import httpx

    headers = {"X-Shopify-Access-Token": token}
    answer = httpx.post(f"{base}/admin/api/2026-10/graphql.json", json=body, headers=headers, trust_env=False).json()
    node: dict[str, Any] = answer["data"]["orders"]["nodes"][0]
    return node


class _Counter(BaseHTTPRequestHandler):
    """Answers the query for a page of orders; renders the next page while the client works on this one."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    press: Press
    ahead: tuple[tuple[str, int, int], bytes] | None = None

    def do_POST(self) -> None:
        _, goods, first, count, *_ = self.path.split("/")
        begin, end = int(first), int(first) + int(count)
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))["variables"]
        at = begin if asked["after"] is None else int(asked["after"])
        if asked["after"] is None:
            since = datetime.fromisoformat(re.findall("'(.*)'", asked["query"])[0])
            at = max(begin, -((BEGIN - since) // _STEP))
        key = goods, min(at, end), end
        body = self.ahead[1] if self.ahead and self.ahead[0] == key else self._render(key)
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.send_header("x-shopify-api-version", "2026-10")
        self.end_headers()
        self.wfile.write(body)
        following = goods, min(at + PAGE, end), end
        self.ahead = following, self._render(following)

    def _render(self, key: tuple[str, int, int]) -> bytes:
        goods, at, end = key
        return self.press.page(goods, at, min(at + PAGE, end), at + PAGE >= end)

    def log_message(self, format: str, *args: object) -> None:
        return


@contextmanager
def shop() -> Iterator[str]:
    """The address of a shop in another process, ended afterwards."""
    server = subprocess.Popen([sys.executable, "-m", "tests.bench.shop"], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{int(server.stdout.readline())}"
    finally:
        server.terminate()
        server.wait()


def main() -> None:
    _Counter.press = Press()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Counter)
    server.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
