from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.addresses import faults
from core.model import Address


def address(country: str = "US", **more: str) -> Address:
    values: dict[str, Any] = {"name": "Ada", "line1": "1 Main St", "city": "New York", "country": country}
    return Address(**(values | more))


@pytest.mark.parametrize(
    "right",
    [
        address(region="NY", postal_code="10002"),
        address(region="ny", postal_code=" 10002-1234 "),
        address(region="New York", postal_code="100021234"),
        address(region="N.Y.", postal_code="10002"),
        address(region="PR", postal_code="00901"),
        address(region="AE", postal_code="09012"),
        address("us", region="CA", postal_code="94601"),
        address("CA", region="ON", postal_code="m5v 3l9"),
        address("CA", region="Québec", postal_code="H2X 1Y4"),
        address("BR", region="Sao Paulo", postal_code="01310-100"),
        address("AU", region="VIC", postal_code="3000"),
        address("GB", postal_code="SW1A1AA"),
        address("DE", postal_code="10115"),
        address("HK", region="Kowloon"),
        address("IE"),
    ],
)
def test_what_may_be_right_is_right(right: Address) -> None:
    assert faults(right) == ()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (address(region="NY", postal_code="94601"), ("postal code",)),
        (address(region="NY", postal_code="1000"), ("postal code",)),
        (address(region="XX", postal_code="10002"), ("region",)),
        (address(postal_code="10002"), ("no region",)),
        (address(region="NY"), ("no postal code",)),
        (address(region="NY", postal_code="10002", city=" "), ("no city",)),
        (address(region="NY", postal_code="10002", line1=""), ("no street",)),
        (address("CA", region="ON", postal_code="V5V 3L9"), ("postal code",)),
        (address("DE", postal_code="1011"), ("postal code",)),
        (address("GB", postal_code="12345"), ("postal code",)),
        (address(city="", line1=""), ("no region", "no city", "no postal code", "no street")),
    ],
)
def test_what_cannot_be_right_is_named_field_by_field(wrong: Address, told: tuple[str, ...]) -> None:
    assert faults(wrong) == told


@pytest.mark.parametrize(
    "unknown",
    [
        address(""),
        address("XX", postal_code="?"),
        address("ZZ"),
        address("U"),
        address("USA", region="?", postal_code="?"),
        address("ES", region="B", postal_code="08001"),
        address("JP", region="JP-13", postal_code="100-0001"),
        address("IT", region="Lombardia", postal_code="20121"),
        Address(),
    ],
)
def test_what_nobody_can_judge_is_left_alone(unknown: Address) -> None:
    assert faults(unknown) == ()


def test_a_street_that_the_channel_keeps_back_with_the_name_is_not_missed() -> None:
    assert faults(Address(city="New York", region="NY", postal_code="10002", country="US")) == ()


TEXT = st.text(max_size=8) | st.sampled_from(["NY", "10002", "US", "CA", "GB", "zz", "\0", "../us"])


@given(st.builds(Address, name=TEXT, line1=TEXT, city=TEXT, region=TEXT, postal_code=TEXT, country=TEXT))
def test_whatever_a_buyer_types_is_judged_and_never_told(some: Address) -> None:
    words = {"region", "no region", "no city", "postal code", "no postal code", "no street"}
    assert set(faults(some)) <= words
