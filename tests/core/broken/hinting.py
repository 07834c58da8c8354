"""Connectors that break a promise about what a channel tells by itself."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Sequence
from datetime import datetime

from msgspec.structs import replace

from connectors.sandbox import FarEnd, Sandbox
from connectors.sandbox.hints import _Subscriptions
from core.errors import BadDocument, Stale
from core.model import Call, Hint, Subscribed
from core.signature import as_hex, sha256
from tests.core.broken import breaks

Keep = Callable[[Sequence[Hint], Sequence[str]], None]


@breaks("test_a_call_of_the_channel_names_its_order")
class ForgetsTheOrder(Sandbox):
    def hints(self, call: Call) -> Sequence[Hint]:
        return [replace(hint, order="") for hint in super().hints(call)]


@breaks("test_a_call_made_again_is_the_same_event")
class TellsEachCallApart(Sandbox):
    def hints(self, call: Call) -> Sequence[Hint]:
        return [replace(hint, id=f"{hint.id}/{call.at}") for hint in super().hints(call)]


@breaks("test_a_call_made_again_is_the_same_event")
class TakesAllCallsForOneEvent(Sandbox):
    def hints(self, call: Call) -> Sequence[Hint]:
        return [replace(hint, id=hint.order) for hint in super().hints(call)]


@breaks("test_a_forged_call_is_refused")
class BelievesAnybody(Sandbox):
    def hints(self, call: Call) -> Sequence[Hint]:
        signature = as_hex(sha256("sandbox", call.body)).decode()
        return super().hints(replace(call, headers={"sandbox-signature": signature}))


@breaks("test_a_forged_call_is_refused")
class ComparesSignaturesAsText(Sandbox):
    def hints(self, call: Call) -> Sequence[Hint]:
        hmac.compare_digest(call.headers.get("sandbox-signature", ""), "0")  # raises for what is not ASCII
        return super().hints(call)


@breaks("test_a_forged_call_is_refused")
class BelievesAnEmptySignature(Sandbox):
    def hints(self, call: Call) -> Sequence[Hint]:
        return super().hints(call) if call.headers.get("sandbox-signature") else []


@breaks("test_a_call_of_last_week_is_stale")
class ForgetsTheClock(Sandbox):
    def hints(self, call: Call) -> Sequence[Hint]:
        try:
            return super().hints(call)
        except Stale:
            return super().hints(replace(call, at=datetime.fromisoformat(json.loads(call.body)["at"])))


@breaks("test_a_genuine_call_nobody_can_read_is_a_bad_document")
class TakesGarbageForABug(Sandbox):
    def hints(self, call: Call) -> Sequence[Hint]:
        try:
            return super().hints(call)
        except BadDocument as error:
            raise ValueError(str(error)) from error


@breaks("test_reading_a_call_needs_no_channel")
class AsksTheChannelFirst(Sandbox):
    def hints(self, call: Call) -> Sequence[Hint]:
        self._ask("subscriptions", {}, dict)
        return super().hints(call)


class _Subscribing(Sandbox):
    """Counts how often it was told to subscribe."""

    calls = 0

    def ours(self, address: str) -> int:
        listed = self._ask("subscriptions", {}, _Subscriptions).subscriptions
        return sum(one.address == address for one in listed)

    def subscriptions(self, address: str) -> Subscribed:
        self.calls += 1
        return super().subscriptions(address)


@breaks("test_subscribing_makes_the_channel_tell_once")
class SubscribesInSilence(_Subscribing):
    def subscriptions(self, address: str) -> Subscribed:
        found = super().subscriptions(address)
        return Subscribed() if self.calls == 1 else found


@breaks("test_subscribing_again_changes_nothing")
class SubscribesAnewEachTime(_Subscribing):
    def subscriptions(self, address: str) -> Subscribed:
        found = super().subscriptions(address)
        return found if found.done else Subscribed(done=("subscribed to every change",))


@breaks("test_subscriptions_the_channel_dropped_are_made_again")
class RemembersThatItSubscribed(_Subscribing):
    def subscriptions(self, address: str) -> Subscribed:
        if self.calls and not self.ours(address):
            return Subscribed(done=("subscribed long ago",))
        return super().subscriptions(address)


@breaks("test_being_told_twice_ends")
class LeavesASecondSubscription(_Subscribing):
    def subscriptions(self, address: str) -> Subscribed:
        return Subscribed(done=("left it",)) if self.ours(address) > 1 else super().subscriptions(address)


@breaks("test_subscriptions_of_others_are_left_alone")
class RemovesEverybodyElse(_Subscribing):
    def subscriptions(self, address: str) -> Subscribed:
        for one in self._ask("subscriptions", {}, _Subscriptions).subscriptions:
            if one.address != address:
                self._ask("unsubscribe", {"id": one.id}, dict)
        return super().subscriptions(address)


@breaks("test_a_message_names_its_order")
class ForgetsTheMessagesOrder(Sandbox):
    def listen(self, keep: Keep, *, wait: float) -> int:
        def forget(hints: Sequence[Hint], unread: Sequence[str]) -> None:
            keep(hints if unread else [replace(hint, order="") for hint in hints], unread)

        return super().listen(forget, wait=wait)


@breaks("test_a_message_is_taken_out_only_once_it_is_kept")
class TakesOutBeforeItKeeps(Sandbox):
    def listen(self, keep: Keep, *, wait: float) -> int:
        late: list[tuple[Sequence[Hint], Sequence[str]]] = []
        came = super().listen(lambda hints, unread: late.append((hints, unread)), wait=wait)
        for hints, unread in late:
            keep(hints, unread)
        return came


@breaks("test_a_message_nobody_can_read_holds_up_no_other")
class LeavesWhatItCannotRead(Sandbox):
    def listen(self, keep: Keep, *, wait: float) -> int:
        unread: list[str] = []

        def note(hints: Sequence[Hint], reasons: Sequence[str]) -> None:
            unread.extend(reasons)
            keep(hints, reasons)

        came = super().listen(note, wait=wait)
        for _ in unread:
            FarEnd.named(self.settings.world).enqueue("")
        return came


@breaks("test_an_empty_queue_is_listened_to_in_peace")
class KeepsNothingToo(Sandbox):
    def listen(self, keep: Keep, *, wait: float) -> int:
        came = super().listen(keep, wait=wait)
        if not came:
            keep([], [])
        return came
