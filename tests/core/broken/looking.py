"""Connectors that break a promise about being examined."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from connectors.sandbox import Sandbox
from core.model import Finding, Level
from tests.core.broken import breaks


@breaks("test_an_account_in_order_is_well")
class FindsNothing(Sandbox):
    def examine(self) -> Iterator[Finding]:
        return (one for one in super().examine() if not one.well)


@breaks("test_an_account_in_order_is_well")
class FindsFault(Sandbox):
    def examine(self) -> Iterator[Finding]:
        yield from super().examine()
        yield Finding(what="weather", well=False, told="it rains; take an umbrella")


@breaks("test_examining_changes_nothing")
class TriesALevel(Sandbox):
    def examine(self) -> Iterator[Finding]:
        for listing in list(self.listings())[:1] if next(super().examine()).well else []:
            place = next(iter(listing.quantities))
            list(self.push_levels([Level(key="k", sku=listing.sku, handle="", place=place, quantity=1, revision=1)]))
        yield from super().examine()


@breaks("test_refused_credentials_are_a_finding")
class RaisesRefusedCredentials(Sandbox):
    def examine(self) -> Iterator[Finding]:
        for finding in super().examine():
            if "credentials" in finding.told:
                raise RuntimeError("refused")
            yield finding


@breaks("test_an_outage_is_a_finding")
class CallsAnOutageWell(Sandbox):
    def examine(self) -> Iterator[Finding]:
        for finding in super().examine():
            yield replace(finding, well=True) if "answered" in finding.told else finding


@breaks("test_an_outage_is_a_finding")
class FindsAnOutageWithoutCure(Sandbox):
    def examine(self) -> Iterator[Finding]:
        for finding in super().examine():
            yield replace(finding, told=finding.told.replace("answered orders with 503; try again later", "broken"))
