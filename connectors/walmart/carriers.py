"""Walmart's carriers and shipping methods, and what people call them."""

from __future__ import annotations

import re
from typing import Final

CARRIERS: Final = (
    "UPS", "USPS", "FedEx", "Airborne", "OnTrac", "DHL Ecommerce - US", "DHL", "LS", "UDS", "UPSMI", "FDX", "PILOT",
    "ESTES", "SAIA", "FDS Express", "Seko Worldwide", "HIT Delivery", "FEDEXSP", "RL Carriers",
    "Metropolitan Warehouse & Delivery", "China Post", "YunExpress", "Yellow Freight Sys", "AIT Worldwide Logistics",
    "Chukou1", "Sendle", "Landmark Global", "Sunyou", "Yanwen", "4PX", "GLS", "OSM Worldwide", "FIRST MILE",
    "AM Trucking", "CEVA", "India Post", "SF Express", "CNE", "TForce Freight", "AxleHire", "LSO", "Royal Mail",
    "ABF Freight System", "WanB", "Roadrunner Freight", "Meyer Distribution", "AAA Cooper", "Canada Post",
    "Southeastern Freight Lines", "Japan Post", "Correos de Mexico", "XPO Logistics", "JD Logistics", "YDH", "JCEX",
    "Flyt", "Deutsche Post", "Better Trucks", "Asendia", "SFC", "UBI", "ePost Global", "YF Logistics", "RXO",
    "Estes Express", "Shypmax", "WIN.IT America", "PITT OHIO", "PostNord Sweden", "Equick", "Whistl", "Tusou",
    "Shiprocket", "USPS First Class Mail", "DTDC", "PTS", "ShipGlobal", "Western Post",
)  # fmt: skip
"""The names Walmart knows. Any other carrier goes as another one, and then needs a tracking URL."""

METHODS: Final = ("Standard", "Express", "OneDay", "Freight", "WhiteGlove", "Value")


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


_ALIASES: Final = {
    "unitedparcelservice": "UPS",
    "upsground": "UPS",
    "upsmailinnovations": "UPSMI",
    "unitedstatespostalservice": "USPS",
    "uspostalservice": "USPS",
    "federalexpress": "FedEx",
    "fedexground": "FedEx",
    "fedexsmartpost": "FEDEXSP",
    "dhlexpress": "DHL",
    "dhlecommerce": "DHL Ecommerce - US",
    "lasership": "LS",
    "uniteddeliveryservice": "UDS",
    "lonestarovernight": "LSO",
}
_CARRIERS: Final = _ALIASES | {_plain(name): name for name in CARRIERS}
_METHODS: Final = {_plain(name): name for name in METHODS} | {
    "expedited": "Express",
    "overnight": "OneDay",
    "nextday": "OneDay",
    "ground": "Standard",
    "economy": "Value",
}


def carrier(name: str) -> str | None:
    """Walmart's name of a carrier however it is spelt; None for one Walmart does not know."""
    return _CARRIERS.get(_plain(name))


def method(service: str, ordered: str) -> str:
    """Walmart's method for a shipment: its own service where that is one, else what the order asked for."""
    return _METHODS.get(_plain(service)) or _METHODS.get(_plain(ordered)) or "Standard"
