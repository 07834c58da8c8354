"""The one table of carriers, against what each vendor prints."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import carriers
from connectors.amazon.pushes import carrier as amazon
from connectors.shopify.pushes_tracking import company
from tests.specs import FOLDER, Spec, specs  # noqa: F401 - a fixture

ABROAD = "The following tracking companies are displayed for shops located in specific countries"


def walmarts(spec: Spec) -> set[str]:
    path = spec.document["paths"]["/v3/orders/{purchaseOrderId}/shipping"]
    schema = path["post"]["requestBody"]["content"]["application/json"]["schema"]
    for step in ("orderShipment", "orderLines", "orderLine", "orderLineStatuses", "orderLineStatus", "trackingInfo"):
        schema = schema["properties"][step]
        schema = schema.get("items", schema)
    return set(schema["properties"]["carrierName"]["properties"]["carrier"]["enum"])


def shopifys() -> tuple[set[str], set[str]]:
    """The tracking companies Shopify lists: those of every country, and all of them."""
    text = gzip.decompress((FOLDER / "shopify/admin_2026-10.json.gz").read_bytes())
    document: dict[str, Any] = json.loads(text)
    types = document.get("data", document)["__schema"]["types"]
    (info,) = (one for one in types if one["name"] == "FulfillmentTrackingInfo")
    (field,) = (one for one in info["fields"] if one["name"] == "company")
    everywhere, _, rest = field["description"].partition(ABROAD)
    listed = set(re.findall(r"^  \* (.+)$", everywhere, re.MULTILINE))
    some = {
        name.strip(" .\n")
        for names in re.findall(r"\*\*: ([^*]+)", rest)
        for name in names.replace("\n", " ").split(",")
    }
    return listed, listed | some


@pytest.mark.spec
def test_walmarts_carriers_are_those_of_its_spec_and_each_is_reached_by_its_name(
    specs: Callable[[str], Spec],  # noqa: F811
) -> None:
    printed = walmarts(specs("walmart/order-management.openapi.json"))
    assert printed == carriers.WALMART
    assert len(printed) == 78
    for name in printed:
        found = carriers.find(name)
        assert found is not None, name
        assert found.walmart == name


@pytest.mark.spec
def test_shopifys_companies_are_those_of_its_list_and_each_is_reached_by_its_name(
    specs: Callable[[str], Spec],  # noqa: F811 - asks for the specs' folder
) -> None:
    everywhere, printed = shopifys()
    assert len(everywhere) > 100
    for name in everywhere:
        assert company(name.upper()) == name
    strangers = {carrier.shopify for carrier in carriers.CARRIERS if carrier.shopify} - printed
    assert not strangers


def test_amazons_codes_are_reached_by_their_name() -> None:
    codes = {carrier.amazon for carrier in carriers.CARRIERS if carrier.amazon}
    assert len(codes) == 75
    for code in codes:
        assert amazon(code.lower()) == (code, "")


def test_no_spelling_names_two_carriers() -> None:
    spelt: dict[str, set[str]] = {}
    for carrier in carriers.CARRIERS:
        for name in (carrier.name, *carrier.aliases):
            spelt.setdefault(carriers._plain(name), set()).add(carrier.name)
    assert {spelling: names for spelling, names in spelt.items() if len(names) > 1} == {}
    assert "" not in spelt


ALIASES = [(alias, carrier.name) for carrier in carriers.CARRIERS for alias in carrier.aliases]


@pytest.mark.parametrize(("alias", "name"), ALIASES)
def test_an_alias_is_known_however_it_is_spelt(alias: str, name: str) -> None:
    for spelt in (alias, alias.upper(), f" {alias.lower()} ", alias.replace(" ", "-")):
        found = carriers.find(spelt)
        assert found is not None, spelt
        assert found.name == name


@pytest.mark.parametrize(
    ("spelt", "walmart", "amazons", "shopify"),
    [
        ("ups", "UPS", ("UPS", ""), "UPS"),
        ("U.P.S.", "UPS", ("UPS", ""), "UPS"),
        ("Fed-Ex", "FedEx", ("FedEx", ""), "FedEx"),
        ("FEDERAL EXPRESS", "FedEx", ("FedEx", ""), "FedEx"),
        ("FDX", "FDX", ("FedEx", ""), "FedEx"),
        ("FedEx SmartPost", "FEDEXSP", ("FedEx SmartPost", ""), "FedEx"),
        ("UPS Mail Innovations", "UPSMI", ("UPS Mail Innovations", ""), "UPS"),
        ("LaserShip", "LS", ("Lasership", ""), "Lasership"),
        ("dhl", "DHL", ("DHL", ""), "DHL Express"),
        ("dhl express", "DHL", ("DHL Express", ""), "DHL Express"),
        ("dhl ecommerce", "DHL Ecommerce - US", ("DHL eCommerce", ""), "DHL eCommerce"),
        ("U.S. Postal Service", "USPS", ("USPS", ""), "USPS"),
        ("royal mail", "Royal Mail", ("Royal Mail", ""), "Royal Mail"),
        ("colis prive", "", ("Colis Prive", ""), "Colis Privé"),
        ("r+l carriers", "RL Carriers", ("Other", "R+L Carriers"), "R+L Carriers"),
        ("purolator", "", ("Purolator", ""), "Purolator"),
        ("VEHO", "", ("Other", "Veho"), "Veho"),
    ],
)
def test_each_channel_has_its_own_name_for_a_carrier(
    spelt: str, walmart: str, amazons: tuple[str, str], shopify: str
) -> None:
    found = carriers.find(spelt)
    assert found is not None
    assert (found.walmart, amazon(spelt), company(spelt)) == (walmart, amazons, shopify)


def test_accents_are_left_out_at_will() -> None:
    assert company("lietuvos pastas") == company("LIETUVOS PAŠTAS") == "Lietuvos Paštas"


@pytest.mark.parametrize("spelt", ["", "  ", "!", "Local Bikes", "UPSS"])
def test_a_carrier_nobody_knows_is_not_guessed(spelt: str) -> None:
    assert carriers.find(spelt) is None
    assert amazon(spelt) == ("Other", spelt.strip())
    assert company(spelt) == spelt.strip()


def test_a_link_holds_the_number_and_nothing_that_means_something_in_an_address() -> None:
    veho = carriers.find("veho")
    assert veho is not None
    assert veho.link(" V12 3&x=/é") == "https://track.shipveho.com/#/trackingId/V123%26x%3D%2F%C3%A9"
    assert carriers.Carrier("nobody").link("1") == ""
    assert all(carrier.url.count("{}") == 1 for carrier in carriers.CARRIERS if carrier.url)


UPS, USPS, FEDEX, POSTAL = "1Z5R89390357567127", "9400111202555842332669", "986578788855", "RB123456785GB"


@pytest.mark.parametrize(
    ("carrier", "tracking", "whose"),
    [
        ("FedEx", UPS, "UPS's"),
        ("fed ex", UPS.lower(), "UPS's"),
        ("UPS", f" {USPS[:4]} {USPS[4:]}", "USPS's"),
        ("UPS", FEDEX, "FedEx's"),
        ("OnTrac", POSTAL, "a postal service's"),
    ],
)
def test_a_carrier_that_its_number_contradicts_is_told(carrier: str, tracking: str, whose: str) -> None:
    assert carriers.doubt(carrier, tracking).startswith(f"its tracking number looks like {whose}, not ")


@pytest.mark.parametrize(
    ("carrier", "tracking"),
    [
        ("UPS", UPS),
        ("USPS", USPS),
        ("USPS", POSTAL),
        ("FedEx SmartPost", USPS),  # handed over to the postal service, under its number
        ("FedEx", "a number of no known form"),
        ("UPS", "986578788854"),  # FedEx's form, but its check digit is wrong
        ("Local Bikes", UPS),  # nobody knows what their numbers look like
        ("4PX", POSTAL),
        ("UPS", ""),
        ("UPS", "9" * 10_000),
    ],
)
def test_what_is_not_known_for_certain_is_not_doubted(carrier: str, tracking: str) -> None:
    assert carriers.doubt(carrier, tracking) == ""


@given(st.text(max_size=60))
def test_no_number_breaks_the_doubting(tracking: str) -> None:
    assert isinstance(carriers.doubt("UPS", tracking), str)
