"""Which carriers Amazon knows by a code of its own; every other is named in words beside the code Other."""

from __future__ import annotations

OTHER = "Other"

CODES = (
    "4PX", "Amazon Shipping", "APC", "Aramex", "Arrow", "Australia Post", "Best Buy", "Blue Package", "BlueDart",
    "Bombax", "Canada Post", "CEVA", "China Post", "Chronopost", "City Link", "Colis Prive", "Conway", "Correos",
    "CouriersPlease", "Delhivery", "Deutsche Post", "DHL", "DHL eCommerce", "DHL Express", "DHL Global Mail", "DPD",
    "DTDC", "Endopack", "Estes", "Fastway", "FedEx", "FedEx Freight", "FedEx SmartPost", "First Mile", "GLS", "GO!",
    "Hermes", "Hermes Logistik Gruppe", "India Post", "Interlink", "La Poste", "Lasership", "Mondial Relay",
    "MRW", "NACEX", "Newgistics", "NipponExpress", "OnTrac", "OSM", "Parcelforce", "Parcelnet", "Poste Italiane",
    "Purolator", "Roadrunner", "Royal Mail", "SagawaExpress", "Saia", "Seur", "SF Express", "Singapore Post",
    "StarTrack", "Streamlite", "Target", "TNT", "UPS", "UPS Freight", "UPS Mail Innovations", "UPSMI", "USPS", "XPO",
    "YamatoTransport", "Yanwen", "Yellow Freight", "Yodel", "YunExpress",
)  # fmt: skip
"""Amazon's carrier codes; its spelling counts, ours does not."""

_BY_NAME = {"".join(filter(str.isalnum, code.lower())): code for code in CODES} | {
    "federalexpress": "FedEx",
    "uspostalservice": "USPS",
    "unitedstatespostalservice": "USPS",
    "unitedparcelservice": "UPS",
    "yamato": "YamatoTransport",
    "sagawa": "SagawaExpress",
}


def code(carrier: str) -> tuple[str, str]:
    """Amazon's code for a carrier, and the name that goes with the code Other (empty with any other code)."""
    known = _BY_NAME.get("".join(filter(str.isalnum, carrier.lower())))
    return (known, "") if known else (OTHER, carrier)
