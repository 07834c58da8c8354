"""What a channel tells by itself: believed only when it is the channel's, asked for once, and never lost by us."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from core.conformance.far_end import Failure, FarEnd
from core.conformance.given import Given, must, needs
from core.connector import Ability, Connector
from core.errors import BadDocument, ChannelError, Forged, Stale
from core.model import Call, Hint, HintKind, Subscribed

ADDRESS = "https://hooks.example.test/hooks/shop"
ELSEWHERE = "https://elsewhere.example.test/hooks/shop"

GARBAGE = (b"", b"null", b"{}", b"[]", b'"', b"\xff\xfe", b"<order/>", b'{"id":null,"source":{},"payload":[]}')
"""Bodies that no order can be read from."""


class _NotKept(Exception):
    """Raised where hints were to be stored."""


class Hinting(Given):
    @needs(Ability.HINTS)
    def test_a_call_of_the_channel_names_its_order(self, connector: Connector, far_end: FarEnd) -> None:
        number = self._listened_to(connector, far_end)
        self._names(connector.hints(far_end.event(number)), number, "a call")

    @needs(Ability.HINTS)
    def test_a_call_made_again_is_the_same_event(self, connector: Connector, far_end: FarEnd) -> None:
        number = self._listened_to(connector, far_end)
        once, other = far_end.event(number), far_end.event(number)
        later = msgspec.structs.replace(once, at=once.at + timedelta(seconds=30))
        ids = [[hint.id for hint in connector.hints(call)] for call in (once, later, other)]
        must(ids[0] == ids[1], f"a call made again is the same event; its id was {ids[0]}, then {ids[1]}")
        must(not set(ids[0]) & set(ids[2]), f"another event has another id; both were {ids[0]}")

    @needs(Ability.HINTS)
    def test_a_forged_call_is_refused(self, connector: Connector, far_end: FarEnd) -> None:
        number = self._listened_to(connector, far_end)
        for what, call in _forgeries(far_end.event(number)):
            raised = _raised(connector, call)
            must(isinstance(raised, Forged), f"a call {what} raises Forged; it gave {raised!r}")

    @needs(Ability.HINTS)
    def test_a_call_of_last_week_is_stale(self, connector: Connector, far_end: FarEnd) -> None:
        number = self._listened_to(connector, far_end)
        for days in (-7, 7):
            raised = _raised(connector, far_end.event(number, at=datetime.now(UTC) + timedelta(days=days)))
            must(isinstance(raised, Stale), f"a call made {days} days from now raises Stale; it gave {raised!r}")

    @needs(Ability.HINTS)
    def test_a_genuine_call_nobody_can_read_is_a_bad_document(self, connector: Connector, far_end: FarEnd) -> None:
        self._listened_to(connector, far_end)
        for body in GARBAGE:
            raised = _raised(connector, far_end.sign(body))
            sound = isinstance(raised, BadDocument) or (isinstance(raised, Sequence) and not _orders(raised))
            must(sound, f"a genuine call with the body {body!r} is a BadDocument or names nothing; it gave {raised!r}")

    @needs(Ability.HINTS)
    def test_reading_a_call_needs_no_channel(self, connector: Connector, far_end: FarEnd) -> None:
        number = self._listened_to(connector, far_end)
        call = far_end.event(number)
        able = far_end.fail(Failure.UNAVAILABLE)
        try:
            raised = _raised(connector, call)
        finally:
            if able:
                far_end.fail(None)
        must(isinstance(raised, Sequence), f"a call is read without asking the channel; in an outage: {raised!r}")

    @needs(Ability.HINTS)
    def test_subscribing_makes_the_channel_tell_once(self, connector: Connector, far_end: FarEnd) -> None:
        found = connector.subscriptions(ADDRESS)
        self._tells(far_end, [ADDRESS], "subscribing")
        must(bool(found.done), f"what was done to be told is said; it said {found}")

    @needs(Ability.HINTS)
    def test_subscribing_again_changes_nothing(self, connector: Connector, far_end: FarEnd) -> None:
        connector.subscriptions(ADDRESS)
        other = self.again(connector)
        found = other.subscriptions(ADDRESS)
        other.close()
        must(found.done == (), f"subscriptions that stand well are left alone; of them {found.done} were touched")
        self._tells(far_end, [ADDRESS], "subscribing twice")

    @needs(Ability.HINTS)
    def test_subscriptions_the_channel_dropped_are_made_again(self, connector: Connector, far_end: FarEnd) -> None:
        connector.subscriptions(ADDRESS)
        far_end.unsubscribe()
        found = connector.subscriptions(ADDRESS)
        self._tells(far_end, [ADDRESS], "subscribing after the channel dropped us")
        must(bool(found.done), f"what was mended is said; it said {found}")

    @needs(Ability.HINTS)
    def test_being_told_twice_ends(self, connector: Connector, far_end: FarEnd) -> None:
        connector.subscriptions(ADDRESS)
        far_end.subscribe(ADDRESS)
        found: Subscribed = connector.subscriptions(ADDRESS)
        self._tells(far_end, [ADDRESS], "a second subscription for our address")
        must(bool(found.done), f"what was removed is said; it said {found}")

    @needs(Ability.HINTS)
    def test_subscriptions_of_others_are_left_alone(self, connector: Connector, far_end: FarEnd) -> None:
        far_end.subscribe(ELSEWHERE)
        connector.subscriptions(ADDRESS)
        connector.subscriptions(ADDRESS)
        self._tells(far_end, [ELSEWHERE, ADDRESS], "subscribing beside another address")

    @needs(Ability.QUEUE)
    def test_a_message_names_its_order(self, connector: Connector, far_end: FarEnd) -> None:
        number = self.placed(far_end, 1)[0]
        far_end.enqueue(number)
        kept: list[Hint] = []
        came = self._listen(connector, lambda hints, unread: kept.extend(hints))
        must(came == 1, f"one message was there; {came} came")
        self._names(kept, number, "a message")

    @needs(Ability.QUEUE)
    def test_a_message_is_taken_out_only_once_it_is_kept(self, connector: Connector, far_end: FarEnd) -> None:
        far_end.enqueue(self.placed(far_end, 1)[0])

        def fail(hints: Sequence[Hint], unread: Sequence[str]) -> None:
            raise _NotKept

        try:
            self._listen(connector, fail)
        except _NotKept:
            pass
        else:
            raise AssertionError("what keeps a batch from being stored is raised; nothing was")
        must(far_end.queued() == 1, "a message that was not stored stays in the queue; it was taken out")
        kept: list[Hint] = []
        self._listen(connector, lambda hints, unread: kept.extend(hints))
        must(bool(kept), "a message that was not stored comes again; it did not")
        must(far_end.queued() == 0, "a message that was stored is taken out; it is there still")

    @needs(Ability.QUEUE)
    def test_a_message_nobody_can_read_holds_up_no_other(self, connector: Connector, far_end: FarEnd) -> None:
        number = self.placed(far_end, 1)[0]
        far_end.enqueue("")
        far_end.enqueue(number)
        kept: list[Hint] = []
        reasons: list[str] = []

        def keep(hints: Sequence[Hint], unread: Sequence[str]) -> None:
            kept.extend(hints)
            reasons.extend(unread)

        for _ in range(3):
            self._listen(connector, keep, wait=0.0)
        self._names(kept, number, "a message behind one that nobody can read")
        must(len(reasons) == 1, f"why a message could not be read is said once; it said {reasons}")
        must(far_end.queued() == 0, "a message nobody can read is taken out; it is there still")

    @needs(Ability.QUEUE)
    def test_an_empty_queue_is_listened_to_in_peace(self, connector: Connector, far_end: FarEnd) -> None:
        called: list[object] = []
        came = self._listen(connector, lambda hints, unread: called.append(hints), wait=0.0)
        must(came == 0 and not called, f"an empty queue brings nothing; it brought {came}, and {called} to keep")

    def _listened_to(self, connector: Connector, far_end: FarEnd) -> str:
        """The number of an order at a channel that was asked to tell of changes."""
        connector.subscriptions(ADDRESS)
        return self.placed(far_end, 1)[0]

    def _listen(
        self, connector: Connector, keep: Callable[[Sequence[Hint], Sequence[str]], None], wait: float = 1.0
    ) -> int:
        return connector.listen(keep, wait=wait)

    def _names(self, hints: Sequence[Hint], number: str, what: str) -> None:
        must(_orders(hints) == {number}, f"{what} about the order {number} names it; it named {_orders(hints)}")
        for hint in hints:
            must(hint.at.tzinfo is not None, f"the instant of a hint is aware; {what} gave {hint.at}")

    def _tells(self, far_end: FarEnd, wanted: Sequence[str], after: str) -> None:
        told = sorted(far_end.told())
        must(told == sorted(wanted), f"after {after} the channel tells each address once; it tells {told}")


def _orders(hints: Sequence[Hint]) -> set[str]:
    return {hint.order for hint in hints if hint.kind is HintKind.ORDER and hint.order}


def _raised(connector: Connector, call: Call) -> object:
    """The `ChannelError` a call raises, or its hints."""
    try:
        return connector.hints(call)
    except ChannelError as error:
        return error


def _forgeries(call: Call) -> Iterator[tuple[str, Call]]:
    """The call with its body changed, and with each header that could be its signature changed or gone."""
    yield "whose body was changed", msgspec.structs.replace(call, body=call.body + b" ")
    yield "whose body was emptied", msgspec.structs.replace(call, body=b"")
    yield "without any header", msgspec.structs.replace(call, headers={})
    for name in _signatures(call):
        for what, value in (
            ("was left out", None),
            ("is empty", ""),
            ("is another", "0" * len(call.headers[name])),
            ("is cut off", call.headers[name][:-1]),
            ("is not ASCII", "\xff\xfe\xe9"),
        ):
            headers = {key: one for key, one in call.headers.items() if key != name}
            headers |= {} if value is None else {name: value}
            yield f"whose header {name} {what}", msgspec.structs.replace(call, headers=headers)


def _signatures(call: Call) -> list[str]:
    """The headers that look like a signature: long, of one word, and named so."""
    found = [name for name in call.headers if any(word in name for word in ("signature", "hmac", "authorization"))]
    must(bool(found), f"a call carries its signature in a header named signature, hmac or so; it has {[*call.headers]}")
    return found
