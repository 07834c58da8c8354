"""A pull that looks back reads what is not known, and nothing else."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise

import pytest

from connectors.shopify import Shopify, queries
from connectors.shopify.paging import position, written
from connectors.shopify.pulling import SETTLED
from connectors.shopify.simulator import ShopifySimulator
from core.credentials import Look, Memory
from core.model import instant
from tests.connectors.shopify.given import order_of, settings

SECOND = 1_000_000


class Store:
    """What a store would have seen."""

    def __init__(self) -> None:
        self.looks: dict[str, Look] = {}

    def see(self, simulator: ShopifySimulator, *numbers: str, after: int = SETTLED + 2 * SECOND) -> None:
        """These orders as they stand, looked at so long after their change."""
        for number in numbers:
            changed = simulator.shop.orders[number].changed
            self.looks[number] = Look(changed, changed + after)

    def seen(self, numbers: object) -> dict[str, Look]:
        assert isinstance(numbers, list)
        return {number: self.looks[number] for number in numbers if number in self.looks}


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def shop(simulator: ShopifySimulator, store: Store) -> Iterator[Shopify]:
    made = Shopify("shop", settings(simulator), Memory(seen=store.seen))
    yield made
    made.close()


def place(simulator: ShopifySimulator, count: int) -> list[str]:
    """Orders, each changed a second after the one before; the last one, now."""
    numbers = [simulator.place(order_of(("MUG-1", 1))) for _ in range(count)]
    now = simulator.shop.tick()
    for at, number in enumerate(numbers):
        simulator.shop.touch(simulator.shop.orders[number], now - (count - 1 - at) * SECOND)
    return numbers


def cursor(simulator: ShopifySimulator, number: str) -> str:
    return written(changed(simulator, number))


def changed(simulator: ShopifySimulator, number: str) -> datetime:
    return instant(simulator.shop.orders[number].changed)


def read(shop: Shopify, since: str) -> list[str]:
    return [one.number for page in shop.pages(since) for one in page.observations]


def test_what_was_seen_is_listed_and_not_read(simulator: ShopifySimulator, shop: Shopify, store: Store) -> None:
    numbers = place(simulator, 30)
    store.see(simulator, *numbers)
    list(shop.pages(cursor(simulator, numbers[-1])))
    simulator.calls.clear()
    assert list(shop.pages(cursor(simulator, numbers[-1]))) == []
    assert simulator.calls["orders"] == 1
    assert simulator.calls.total() == 1


def test_what_was_seen_too_soon_after_its_change_is_read_again(
    simulator: ShopifySimulator, shop: Shopify, store: Store
) -> None:
    numbers = place(simulator, 5)
    store.see(simulator, *numbers)
    store.see(simulator, numbers[2], after=SETTLED - 2 * SECOND)
    assert read(shop, cursor(simulator, numbers[-1])) == [numbers[2]]


def test_a_newer_version_is_read(simulator: ShopifySimulator, shop: Shopify, store: Store) -> None:
    numbers = place(simulator, 5)
    since = cursor(simulator, numbers[-1])
    store.see(simulator, *numbers, after=3600 * SECOND)
    simulator.shop.touch(simulator.shop.orders[numbers[1]], simulator.shop.tick() + 2 * SECOND)
    assert read(shop, since) == [numbers[1]]


def test_an_order_that_is_listed_late_is_read_and_no_cursor_goes_back(
    simulator: ShopifySimulator, shop: Shopify, store: Store
) -> None:
    numbers = place(simulator, 12)
    store.see(simulator, *numbers[:3], *numbers[4:8])
    pages = list(shop.pages(cursor(simulator, numbers[9])))
    assert [one.number for page in pages for one in page.observations] == [numbers[3], *numbers[8:]]
    cursors = [position(page.cursor) for page in pages]
    assert all(one <= other for one, other in pairwise([changed(simulator, numbers[9]), *cursors]))
    assert cursors[-1] == changed(simulator, numbers[-1])


def test_the_cursor_follows_what_others_have_looked_at(
    simulator: ShopifySimulator, shop: Shopify, store: Store
) -> None:
    numbers = place(simulator, 6)
    store.see(simulator, *numbers)
    (page,) = shop.pages(cursor(simulator, numbers[3]))
    assert page.observations == ()
    assert position(page.cursor) == changed(simulator, numbers[-1])


def test_what_lies_behind_a_full_list_is_read_too(
    simulator: ShopifySimulator, shop: Shopify, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "LISTINGS", 4)
    monkeypatch.setattr(queries, "PAGE", 3)
    numbers = place(simulator, 20)
    store.see(simulator, *numbers[:10])
    assert set(read(shop, cursor(simulator, numbers[1]))) >= set(numbers[10:])


def test_nothing_is_left_out_whatever_was_seen(
    simulator: ShopifySimulator, shop: Shopify, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "LISTINGS", 5)
    monkeypatch.setattr(queries, "PAGE", 3)
    numbers = place(simulator, 23)
    dice = random.Random(7)
    for _ in range(25):
        store.looks.clear()
        settled = {number for number in numbers if dice.random() < 0.6}
        store.see(simulator, *settled)
        hasty = {number for number in settled if dice.random() < 0.2}
        store.see(simulator, *hasty, after=SETTLED - 2 * SECOND)
        since = cursor(simulator, dice.choice(numbers))
        pages = list(shop.pages(since))
        assert {one.number for page in pages for one in page.observations} >= set(numbers) - (settled - hasty)
        cursors = [position(one) for one in (since, *(page.cursor for page in pages))]
        assert cursors == sorted(cursors)


def test_many_unseen_among_the_seen_are_read_by_the_page(
    simulator: ShopifySimulator, shop: Shopify, store: Store
) -> None:
    numbers = place(simulator, 40)
    few, many = numbers[10:30:10], numbers[10:30:2]
    for unseen, asked in ((few, "nodes"), (many, "orders")):
        store.looks.clear()
        store.see(simulator, *(number for number in numbers if number not in unseen))
        simulator.calls.clear()
        found = read(shop, cursor(simulator, numbers[-1]))
        assert set(found) >= set(unseen)
        assert simulator.calls[asked] == {"nodes": 1, "orders": 2}[asked]


def test_a_first_pull_and_one_since_an_instant_read_all(
    simulator: ShopifySimulator, shop: Shopify, store: Store
) -> None:
    numbers = place(simulator, 4)
    store.see(simulator, *numbers)
    assert [one.number for page in shop.pages(None) for one in page.observations] == numbers
