"""The carriers of all channels: what people call them, what each channel calls them, and where a parcel is followed.

Source: Walmart's list of carriers (the enum of `POST /v3/orders/{id}/shipping`), Shopify's supported tracking
companies (`FulfillmentTrackingInfo`; capitals matter there), and the carrier codes of Amazon's shipment confirmations.
A carrier is found by any of its names, however they are spelt; it is never guessed from a tracking number.
"""

from __future__ import annotations

import unicodedata
from typing import Final
from urllib.parse import quote

import msgspec
import tracking_numbers

LONGEST_NUMBER = 50
"""Characters beyond which a tracking number is nobody's."""


class Carrier(msgspec.Struct, frozen=True, gc=False):
    """One carrier; a name a channel does not have is empty there."""

    name: str
    aliases: tuple[str, ...] = ()
    """Other names people write; a channel's own name need not be repeated here."""
    amazon: str = ""
    """Amazon's code; its spelling counts."""
    walmart: str = ""
    """Walmart's name, one of its enum."""
    shopify: str = ""
    """The company as Shopify's list has it, which then makes the link itself."""
    url: str = ""
    """The page a parcel is followed on; `{}` stands for its number."""
    issues: tuple[str, ...] = ()
    """Whose forms of tracking numbers it uses, as `tracking_numbers` names them; empty: not known, never doubted."""

    def link(self, tracking: str) -> str:
        """Where this parcel is followed; empty where the carrier's page is not known."""
        return self.url.replace("{}", quote("".join(tracking.split()), safe=""))


_UPS = "https://www.ups.com/track?tracknum={}"
_USPS = "https://tools.usps.com/go/TrackConfirmAction?tLabels={}"
_FEDEX = "https://www.fedex.com/fedextrack/?trknbr={}"
_DHL = "https://www.dhl.com/en/express/tracking.html?AWB={}"
_DHL_ECOMMERCE = "https://webtrack.dhlecs.com/orders?trackingNumber={}"
_ONTRAC = "https://www.ontrac.com/tracking/?number={}"
_POSTAL = ("usps", "s10")


def _row(
    name: str,
    *aliases: str,
    amazon: str = "",
    walmart: str = "",
    shopify: str = "",
    url: str = "",
    issues: tuple[str, ...] = (),
) -> Carrier:
    return Carrier(name, aliases, amazon, walmart, shopify, url, issues)


CARRIERS: Final = (
    _row("UPS", "United Parcel Service", "UPS Ground", "UPS 2nd Day Air", "UPS Next Day Air", "UPS Ground Saver",
         amazon="UPS", walmart="UPS", shopify="UPS", url=_UPS, issues=("ups",)),
    _row("UPS Mail Innovations", amazon="UPS Mail Innovations", walmart="UPSMI", shopify="UPS", url=_UPS,
         issues=("ups", *_POSTAL)),
    _row("UPSMI", amazon="UPSMI", walmart="UPSMI", shopify="UPS", url=_UPS, issues=("ups", *_POSTAL)),
    _row("UPS Freight", amazon="UPS Freight", walmart="TForce Freight", shopify="UPS"),
    _row("USPS", "United States Postal Service", "US Postal Service", "US Mail", "USPS Priority Mail",
         "USPS Ground Advantage", amazon="USPS", walmart="USPS", shopify="USPS", url=_USPS, issues=_POSTAL),
    _row("USPS First Class Mail", "USPS First Class", amazon="USPS", walmart="USPS First Class Mail", shopify="USPS",
         url=_USPS, issues=_POSTAL),
    _row("FedEx", "Federal Express", "FedEx Ground", "FedEx Home Delivery", "FedEx Express", "FedEx 2Day",
         "FedEx Overnight", amazon="FedEx", walmart="FedEx", shopify="FedEx", url=_FEDEX, issues=("fedex",)),
    _row("FDX", amazon="FedEx", walmart="FDX", shopify="FedEx", url=_FEDEX, issues=("fedex",)),
    _row("FedEx SmartPost", "FedEx Ground Economy", amazon="FedEx SmartPost", walmart="FEDEXSP", shopify="FedEx",
         url=_FEDEX, issues=("fedex", *_POSTAL)),
    _row("FedEx Freight", amazon="FedEx Freight", walmart="FedEx", shopify="FedEx", url=_FEDEX),
    _row("DHL", amazon="DHL", walmart="DHL", shopify="DHL Express", url=_DHL, issues=("dhl", "s10")),
    _row("DHL Express", "DHL Worldwide Express", amazon="DHL Express", walmart="DHL", shopify="DHL Express", url=_DHL,
         issues=("dhl",)),
    _row("DHL eCommerce", "DHL eCommerce Solutions", "DHLeC", amazon="DHL eCommerce", walmart="DHL Ecommerce - US",
         shopify="DHL eCommerce", url=_DHL_ECOMMERCE, issues=("dhl", *_POSTAL)),
    _row("DHL Global Mail", amazon="DHL Global Mail", walmart="DHL Ecommerce - US", shopify="DHL eCommerce",
         url=_DHL_ECOMMERCE, issues=("dhl", *_POSTAL)),
    _row("OnTrac", amazon="OnTrac", walmart="OnTrac", shopify="OnTrac", url=_ONTRAC, issues=("ontrac",)),
    _row("LaserShip", amazon="Lasership", walmart="LS", shopify="Lasership", url=_ONTRAC),
    _row("Amazon Shipping", "Amazon Logistics", "Amazon Logistics US", "AMZL", "AMZL US", "Swiship",
         amazon="Amazon Shipping", shopify="Amazon", url="https://track.amazon.com/tracking/{}", issues=("amazon",)),
    _row("United Delivery Service", walmart="UDS", shopify="United Delivery Service"),
    _row("Veho", url="https://track.shipveho.com/#/trackingId/{}"),
    _row("UniUni", url="https://www.uniuni.com/tracking/?no={}"),
    _row("Lone Star Overnight", walmart="LSO", shopify="Lone Star Overnight"),
    _row("AxleHire", "Jitsu", walmart="AxleHire"),
    _row("Better Trucks", walmart="Better Trucks"),
    _row("Pitney Bowes", shopify="Pitney Bowes"),
    _row("OSM Worldwide", amazon="OSM", walmart="OSM Worldwide"),
    _row("First Mile", amazon="First Mile", walmart="FIRST MILE"),
    _row("ePost Global", walmart="ePost Global"),
    _row("Asendia", walmart="Asendia", shopify="Asendia USA"),
    _row("Landmark Global", "Landmark", walmart="Landmark Global"),
    _row("GLS", amazon="GLS", walmart="GLS", shopify="GLS"),
    _row("Sendle", walmart="Sendle", shopify="Sendle", url="https://track.sendle.com/tracking?ref={}"),
    # Freight.
    _row("Estes", amazon="Estes", walmart="ESTES", shopify="Estes"),
    _row("Estes Express", "Estes Express Lines", amazon="Estes", walmart="Estes Express", shopify="Estes"),
    _row("Saia", "Saia LTL Freight", amazon="Saia", walmart="SAIA"),
    _row("R+L Carriers", "R+L", "R&L", walmart="RL Carriers", shopify="R+L Carriers"),
    _row("XPO", "XPO Freight", amazon="XPO", walmart="XPO Logistics", shopify="XPO Logistics"),
    _row("Yellow Freight", "Yellow", "YRC", amazon="Yellow Freight", walmart="Yellow Freight Sys"),
    _row("Roadrunner", amazon="Roadrunner", walmart="Roadrunner Freight"),
    _row("CEVA", "CEVA Logistics", amazon="CEVA", walmart="CEVA"),
    _row("Pilot Freight", "Pilot Freight Services", walmart="PILOT", shopify="Pilot Freight"),
    _row("ABF Freight", "ABF", "ArcBest", walmart="ABF Freight System"),
    _row("AIT Worldwide Logistics", "AIT", walmart="AIT Worldwide Logistics"),
    _row("Seko", "Seko Logistics", walmart="Seko Worldwide"),
    _row("Metropolitan Warehouse & Delivery", "Metropolitan Warehouse and Delivery",
         walmart="Metropolitan Warehouse & Delivery"),
    _row("Southeastern Freight Lines", "SEFL", walmart="Southeastern Freight Lines"),
    _row("AAA Cooper", "AAA Cooper Transportation", walmart="AAA Cooper"),
    _row("Old Dominion", "Old Dominion Freight Line", "ODFL", shopify="Old Dominion"),
    # Abroad.
    _row("Canada Post", "Postes Canada", amazon="Canada Post", walmart="Canada Post", shopify="Canada Post",
         url="https://www.canadapost-postescanada.ca/track-reperage/en#/search?searchFor={}"),
    _row("Purolator", amazon="Purolator", shopify="Purolator",
         url="https://www.purolator.com/en/shipping/tracker?pin={}"),
    _row("Royal Mail", amazon="Royal Mail", walmart="Royal Mail", shopify="Royal Mail",
         url="https://www.royalmail.com/track-your-item#/tracking-results/{}"),
    _row("Australia Post", "AusPost", amazon="Australia Post", shopify="Australia Post",
         url="https://auspost.com.au/mypost/track/#/details/{}"),
    _row("Deutsche Post", amazon="Deutsche Post", walmart="Deutsche Post", shopify="Deutsche Post"),
    _row("DPD", amazon="DPD", shopify="DPD"),
    _row("TNT", amazon="TNT", shopify="TNT"),
    _row("Chronopost", amazon="Chronopost", shopify="Chronopost"),
    _row("Colis Privé", amazon="Colis Prive", shopify="Colis Privé"),
    _row("La Poste", amazon="La Poste", shopify="La Poste Colissimo"),
    _row("Mondial Relay", amazon="Mondial Relay", shopify="Mondial Relay"),
    _row("Hermes", amazon="Hermes", shopify="Evri"),
    _row("Hermes Logistik Gruppe", amazon="Hermes Logistik Gruppe", shopify="Hermes"),
    _row("Parcelforce", amazon="Parcelforce", shopify="Parcelforce"),
    _row("Yodel", amazon="Yodel", shopify="Yodel"),
    _row("Whistl", walmart="Whistl", shopify="Whistl"),
    _row("PostNord Sweden", walmart="PostNord Sweden", shopify="PostNord SE"),
    _row("Poste Italiane", amazon="Poste Italiane", shopify="Poste Italiane"),
    _row("SEUR", amazon="Seur", shopify="SEUR"),
    _row("Correos", amazon="Correos", shopify="Correos"),
    _row("China Post", amazon="China Post", walmart="China Post", shopify="China Post"),
    _row("Japan Post", walmart="Japan Post", shopify="Japan Post (EN)"),
    _row("Yamato", "Kuroneko Yamato", amazon="YamatoTransport", shopify="Yamato (EN)"),
    _row("Sagawa", amazon="SagawaExpress", shopify="Sagawa (EN)"),
    _row("Singapore Post", "SingPost", amazon="Singapore Post", shopify="Singapore Post"),
    _row("India Post", amazon="India Post", walmart="India Post", shopify="India Post"),
    _row("Blue Dart", amazon="BlueDart", shopify="Bluedart"),
    _row("Delhivery", amazon="Delhivery", shopify="Delhivery"),
    _row("DTDC", amazon="DTDC", walmart="DTDC", shopify="DTDC"),
    _row("Aramex", amazon="Aramex", shopify="Aramex Australia"),
    _row("CouriersPlease", amazon="CouriersPlease", shopify="Couriers Please"),
    _row("Fastway", amazon="Fastway", shopify="Fastway"),
    _row("StarTrack", amazon="StarTrack", shopify="StarTrack"),
    _row("APC", "APC Postal Logistics", amazon="APC", shopify="APC"),
    _row("4PX", amazon="4PX", walmart="4PX", shopify="4PX", url="https://track.4px.com/#/result/0/{}"),
    _row("YunExpress", amazon="YunExpress", walmart="YunExpress", shopify="YunExpress",
         url="https://www.yuntrack.com/parcelTracking?id={}"),
    _row("Yanwen", amazon="Yanwen", walmart="Yanwen", url="https://track.yw56.com.cn/en/querydel?nums={}"),
    _row("SF Express", amazon="SF Express", walmart="SF Express", shopify="SF Express"),
    _row("SFC", walmart="SFC", shopify="SFC Fulfillment"),
    _row("WanB", walmart="WanB", shopify="WanbExpress"),
    _row("Chukou1", walmart="Chukou1", shopify="Chukou1"),
    # Known to one channel alone, under this very name.
    *(Carrier(name, walmart=name) for name in (
        "Airborne", "FDS Express", "HIT Delivery", "Sunyou", "AM Trucking", "CNE", "TForce Freight",
        "Meyer Distribution", "Correos de Mexico", "JD Logistics", "YDH", "JCEX", "Flyt", "UBI", "YF Logistics", "RXO",
        "Shypmax", "WIN.IT America", "PITT OHIO", "Equick", "Tusou", "Shiprocket", "PTS", "ShipGlobal", "Western Post",
    )),
    *(Carrier(name, amazon=name) for name in (
        "Arrow", "Best Buy", "Blue Package", "Bombax", "City Link", "Conway", "Endopack", "GO!", "Interlink", "MRW",
        "NACEX", "Newgistics", "NipponExpress", "Parcelnet", "Streamlite", "Target",
    )),
    *(Carrier(name, shopify=name) for name in (
        "AGS", "Amazon Logistics UK", "An Post", "Anjun Logistics", "Bonshaw", "BPost", "BPost International", "Canpar",
        "CDL Last Mile", "Colissimo", "Comingle", "Coordinadora", "Correios", "CTT", "CTT Express", "Cyprus Post",
        "Delnext", "DHL eCommerce Asia", "DPD Local", "DPD UK", "DTD Express", "DX", "Eagle",
        "First Global Logistics", "First Line", "FSC", "Fulfilla",
        "Guangdong Weisuyi Information Technology (WSE)", "Heppner Internationale Spedition GmbH & Co.",
        "Iceland Post", "IDEX", "Israel Post", "Japan Post (JA)", "La Poste Burkina Faso", "Latvia Post",
        "Lietuvos Paštas", "Logisters", "M3 Logistics", "Meteor Space", "New Zealand Post", "NinjaVan",
        "North Russia Supply Chain (Shenzhen) Co.", "Packeta", "Pago Logistics", "Ping An Da Tengfei Express",
        "Portal PostNord", "PostNL", "PostNord DK", "PostNord NO", "Qxpress", "Qyun Express", "Royal Shipments",
        "Sagawa (JA)", "ShipBob", "SHREE NANDAN COURIER", "Southwest Air Cargo", "Step Forward Freight", "Swiss Post",
        "TForce Final Mile", "Tinghao", "Toll IPEC", "Venipak", "We Post", "Wizmo", "WMYC", "Xpedigo", "Yamato (JA)",
        "YiFan Express",
    )),
)  # fmt: skip
"""Every carrier a channel has a name for, and some more with the page their parcels are followed on."""

WALMART: Final = frozenset(carrier.walmart for carrier in CARRIERS if carrier.walmart)
"""Walmart's carriers: any other goes as another one, and then needs a tracking URL."""


def _plain(text: str) -> str:
    """A name without what people write differently: case, accents, spaces and signs."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", text).casefold()))


def _by_spelling() -> dict[str, Carrier]:
    """Every spelling with its carrier. A carrier's own names go before what the channels call it."""
    found: dict[str, Carrier] = {}
    for carrier in CARRIERS:
        for name in (carrier.name, *carrier.aliases):
            found[_plain(name)] = carrier
    for carrier in CARRIERS:
        for name in (carrier.walmart, carrier.amazon, carrier.shopify):
            if name:
                found.setdefault(_plain(name), carrier)
    return found


_SPELLINGS: Final = _by_spelling()

_ISSUERS: Final = {
    "amazon": "Amazon's",
    "cdl": "CDL's",
    "dhl": "DHL's",
    "fedex": "FedEx's",
    "ontrac": "OnTrac's",
    "s10": "a postal service's",
    "ups": "UPS's",
    "usps": "USPS's",
}


def find(text: str) -> Carrier | None:
    """The carrier of this name, however it is spelt; None for one nobody here knows."""
    return _SPELLINGS.get(_plain(text))


def doubt(text: str, tracking: str) -> str:
    """What speaks against this number being the carrier's, as the end of a sentence; empty where nothing does.

    A hint for a person and nothing more: a form of numbers tells little, so what was entered is never changed by it.
    """
    carrier = find(text)
    number = "".join(tracking.split()).upper()
    if carrier is None or not carrier.issues or len(number) > LONGEST_NUMBER:
        return ""
    looks = dict.fromkeys(
        form.courier.code for form in tracking_numbers.DEFINITIONS if (read := form.test(number)) and read.valid
    )
    if not looks or not looks.keys().isdisjoint(carrier.issues):
        return ""
    whose = " or ".join(_ISSUERS.get(code, f"{code.upper()}'s") for code in looks)
    return f"its tracking number looks like {whose}, not {carrier.name}'s"
