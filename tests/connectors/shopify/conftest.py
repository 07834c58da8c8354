from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.shopify import Shopify
from connectors.shopify.simulator import ShopifySimulator
from tests.connectors.shopify.given import connector, goods


@pytest.fixture
def simulator() -> Iterator[ShopifySimulator]:
    with ShopifySimulator(listings=goods(), plan_points=2000, whole_seconds=False) as started:
        assert isinstance(started, ShopifySimulator)
        yield started


@pytest.fixture
def shop(simulator: ShopifySimulator) -> Iterator[Shopify]:
    made = connector(simulator)
    yield made
    made.close()
