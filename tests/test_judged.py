"""The suite's judge of what is said on the wire sees what strays, at each vendor."""

from __future__ import annotations

from uuid import uuid4

import httpx
import pytest
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request, Response

from connectors.shopify.simulator import ShopifySimulator
from connectors.walmart.simulator import WalmartSimulator
from tests.connectors.amazon import vendor as amazon
from tests.connectors.farend import goods
from tests.connectors.shopify.given import connector
from tests.judged import Judge, by_specs
from tests.specs import specs  # noqa: F401 - a fixture

pytestmark = [pytest.mark.spec, pytest.mark.usefixtures("specs"), pytest.mark.strays("to be seen straying")]


class FarEnd:
    """Answers whatever it is told to."""

    def __init__(self, status: int, body: bytes) -> None:
        self._answer = status, body

    def handle(self, request: Request) -> Response:
        status, body = self._answer
        return Response(body, status, mimetype="application/json")


def asked(path: str) -> Request:
    environ = EnvironBuilder(path=path).get_environ()
    return Request({**environ, "RAW_URI": path})


def test_what_a_spec_does_not_allow_is_seen_and_a_refusal_is_none() -> None:
    judge = Judge()

    class Watched(FarEnd):
        pass

    judge.sit(Watched, by_specs(judge, amazon.NAMES, ["known to differ"]))
    good, path = b'{"orders":[]}', "/orders/2026-01-01/orders"
    for status, body, query, wrong in (
        (200, good, "?createdAfter=2026-11-01T00:00:00Z", ""),
        (200, b'{"orders":[1]}', "", "body.orders[0]"),
        (200, good, "?unheard=of", "unheard"),
        (400, b'{"errors":[{"code":"InvalidInput","message":"no"}]}', "?unheard=of", ""),
    ):
        Watched(status, body).handle(asked(path + query))
        found = judge.asked()
        assert bool(found) == bool(wrong), found
        assert all(wrong in line for line in found)
    assert Watched(404, b"{}").handle(asked("/no/such/path")).status_code == 404
    assert judge.asked() == []
    Watched(200, b"{}").handle(asked("/no/such/path"))
    assert judge.asked() == ["GET /no/such/path: no such path in any spec"]


def test_a_large_answer_is_judged_once() -> None:
    judge = Judge()

    class Watched(FarEnd):
        pass

    judge.sit(Watched, by_specs(judge, amazon.NAMES, []))
    large = b'{"orders":[' + b",".join([b"1"] * 3000) + b"]}"
    for _ in range(2):
        Watched(200, large).handle(asked("/orders/2026-01-01/orders"))
    assert len(judge.asked()) == 3000
    Watched(200, large).handle(asked("/orders/2026-01-01/orders"))
    assert judge.asked() != []


def test_what_shopifys_schema_has_not_is_seen(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    with ShopifySimulator(listings=goods(ShopifySimulator), plan_points=2000) as simulator:
        shop = connector(simulator)
        list(shop.pages(None))
        assert judge.asked() == []
        before = judge.judged
        plain = simulator.graphql.answer

        def stray(body: bytes) -> object:
            response = plain(body)
            response.set_data(response.get_data().replace(b'"nodes":[]', b'"nodes":[],"more":1'))
            return response

        monkeypatch.setattr(simulator.graphql, "answer", stray)
        list(shop.pages(None))
        assert judge.judged > before
        assert judge.asked() == ["the answer holds what was not asked for"]
        shop.close()


def test_a_dead_token_is_refused_as_the_vendor_may_whatever_is_asked(judge: Judge) -> None:
    with WalmartSimulator(listings=goods(WalmartSimulator())) as simulator:
        for method, path in (
            ("GET", "/v3/orders"),
            ("GET", "/v3/inventory?sku=MUG-1"),
            ("PUT", "/v3/inventory?sku=MUG-1"),
            ("PUT", "/v3/inventories/MUG-1"),
            ("POST", "/v3/feeds?feedType=inventory"),
            ("GET", "/v3/returns"),
        ):
            headers = {"WM_SEC.ACCESS_TOKEN": "dead", "WM_QOS.CORRELATION_ID": str(uuid4()), "WM_SVC.NAME": "tests"}
            before = judge.judged
            answer = httpx.request(method, simulator.base_url + path, headers=headers | {"Accept": "application/json"})
            assert answer.status_code == 401
            assert judge.judged == before + 1
            assert judge.asked() == []
