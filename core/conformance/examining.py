"""Examining an account: findings for whatever there is to find, and nothing raised, changed or left unsaid."""

from __future__ import annotations

from core.conformance.far_end import Failure, FarEnd
from core.conformance.given import Given, failing, must
from core.connector import Ability, Connector
from core.model import Finding


class Examining(Given):
    def test_an_account_in_order_is_well(self, connector: Connector, far_end: FarEnd) -> None:
        findings = self._examined(connector)
        ill = [finding for finding in findings if not finding.well]
        must(not ill, f"an account in order has no bad findings; it has {ill}")
        found = {finding.what for finding in findings}
        wanted = {"credentials", *(["listings"] if Ability.LISTINGS in connector.abilities else [])}
        must(wanted <= found, f"{' and '.join(sorted(wanted))} are looked at; looked at are {sorted(found)}")

    def test_examining_changes_nothing(self, connector: Connector, far_end: FarEnd) -> None:
        self.placed(far_end, 1)
        before = self._state(far_end)
        self._examined(connector)
        far_end.let_time_pass()
        must(self._state(far_end) == before, "examining an account changes nothing at the channel")

    def test_refused_credentials_are_a_finding(self, connector: Connector, far_end: FarEnd) -> None:
        with failing(far_end, Failure.UNAUTHORIZED):
            self._ill(self._examined(connector), "refused credentials")

    def test_an_outage_is_a_finding(self, connector: Connector, far_end: FarEnd) -> None:
        with failing(far_end, Failure.UNAVAILABLE):
            self._ill(self._examined(connector), "an outage")

    def _examined(self, connector: Connector) -> list[Finding]:
        try:
            return list(connector.examine())
        except Exception as error:
            raise AssertionError(f"what is wrong with an account is found, not raised; it raised {error!r}") from error

    def _ill(self, findings: list[Finding], what: str) -> None:
        ill = [finding for finding in findings if not finding.well]
        must(bool(ill), f"{what} is a bad finding; there are none")
        for finding in ill:
            _, mark, cure = finding.told.rpartition(";")
            must(
                bool(mark) and len(cure.split()) >= 2,
                f"a bad finding reads 'what is wrong; what to do'; {finding.what} of {what} reads {finding.told!r}",
            )

    def _state(self, far_end: FarEnd) -> tuple[object, ...]:
        truths = {number: (t.ordered, t.cancelled, t.shipped, t.acknowledged) for number, t in far_end.truths().items()}
        return dict(far_end.levels()), truths, list(far_end.effects())
