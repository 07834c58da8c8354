"""What a connector says of itself."""

from __future__ import annotations

from core.conformance.far_end import Failure, FarEnd
from core.conformance.given import Given, must
from core.connector import Ability, Connector
from core.settings import ChannelSettings


class Declared(Given):
    def test_every_ability_is_present_or_absent_with_a_reason(self, connector: Connector, far_end: FarEnd) -> None:
        absent = connector.absent
        both = connector.abilities & absent.keys()
        must(not both, f"an ability is present or absent, not both: {sorted(both)}")
        missing = set(Ability) - connector.abilities - absent.keys()
        must(not missing, f"every ability is declared; neither in abilities nor in absent: {sorted(missing)}")
        mute = sorted(ability for ability, reason in absent.items() if len(reason.split()) < 2)
        must(not mute, f"an absent ability has the reason an operator is told; without one: {mute}")

    def test_the_settings_explain_each_key_of_their_own(self, connector: Connector, far_end: FarEnd) -> None:
        settings = connector.Settings
        must(issubclass(settings, ChannelSettings), f"Settings is a subclass of ChannelSettings; it is {settings}")
        own = settings.model_fields.keys() - ChannelSettings.model_fields.keys()
        mute = sorted(key for key in own if not settings.model_fields[key].description)
        must(not mute, f"each key has a description, which editors and examples show; without one: {mute}")

    def test_making_an_instance_needs_no_channel(self, connector: Connector, far_end: FarEnd) -> None:
        for failure in (Failure.UNAVAILABLE, Failure.UNAUTHORIZED):
            able = far_end.fail(failure)
            try:
                self.again(connector).close()
            except Exception as error:
                raise AssertionError(
                    f"an instance is made without network or work; with the channel {failure}: {error!r}"
                ) from error
            finally:
                if able:
                    far_end.fail(None)

    def test_closing_twice_is_safe(self, connector: Connector, far_end: FarEnd) -> None:
        self.placed(far_end, 1)
        other = self.again(connector)
        self.pull(other)
        other.close()
        other.close()
