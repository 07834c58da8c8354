"""Answers taken at their word: what lacks its list is not empty, and what is yet to happen, or lost, is not done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec

from core.conformance.failures import answers
from core.conformance.far_end import Failure, FarEnd
from core.conformance.given import Given, failing, must, needs
from core.connector import Ability, Connector
from core.errors import ChannelError, Unavailable
from core.model import Ack, AckState, Fulfiller, Page

Told = tuple[str, Callable[[], Iterable[Ack]], Callable[[], bool]]
"""What is told, the telling, and whether it stands at the far end."""


class Answers(Given):
    def test_an_answer_without_its_list_is_never_an_empty_one(self, connector: Connector, far_end: FarEnd) -> None:
        reads = list(self._lists(connector, far_end))
        other = self.again(connector)  # one that remembers nothing
        with failing(far_end, Failure.NO_LIST):
            for what, read, there in reads:
                try:
                    came: object = read(other)
                except Unavailable:
                    continue
                except ChannelError as error:
                    came = error
                # Where the answer needs no list, or the connector finds it elsewhere, all of it comes.
                must(
                    came is None or came == there,
                    f"an answer without its list is Unavailable, not an empty list: {what} gave {came!r} "
                    f"where {there!r} is",
                )
        other.close()

    def test_a_refusal_lost_with_its_list_is_no_confirmation(self, connector: Connector, far_end: FarEnd) -> None:
        tellings: list[tuple[str, str, Callable[[], Iterable[Ack]]]] = []
        if Ability.ACKNOWLEDGE in connector.abilities:
            numbers = [*self.placed(far_end, 1), self.unknown_number]
            tellings.append(("an acknowledgement", numbers[-1], lambda: connector.acknowledge(numbers)))
        if Ability.PUSH_LEVELS in connector.abilities:
            levels = self.levels_of(connector, far_end, 21)
            lost = msgspec.structs.replace(levels[0], key="lost", sku="NO-SUCH-SKU", handle=self.unknown_handle)
            tellings.append(("a level", "lost", lambda: connector.push_levels([*levels, lost])))
        if not tellings:
            return
        with failing(far_end, Failure.NO_LIST):
            for what, wrong, tell in tellings:
                acks, error = answers(tell)
                must(
                    error is None or isinstance(error, Unavailable),
                    f"{what} whose answer lacks its list raises Unavailable or is to be retried; it raised {error!r}",
                )
                far_end.let_time_pass()
                pending = {ack.key: ack.ticket for ack in acks if ack.state is AckState.ACCEPTED}
                later, _ = answers(partial(connector.settle, pending)) if pending else ([], None)
                said = [ack for ack in (*acks, *later) if ack.key == wrong and ack.state is AckState.APPLIED]
                must(not said, f"{what} the channel refused is not applied because its answer lacks the list: {said}")

    def test_what_is_called_applied_has_taken_effect(self, connector: Connector, far_end: FarEnd) -> None:
        for what, tell, stands in self._told(connector, far_end):
            acks = list(tell())
            pending = {ack.key: ack.ticket for ack in acks if ack.state is AckState.ACCEPTED}
            if pending:
                # At once: no time has passed.
                acks += [ack for ack in connector.settle(pending) if ack.key in pending]
            if any(ack.state is AckState.APPLIED for ack in acks):
                must(stands(), f"{what} is applied once the channel has it; it was called so before")

    @needs(Ability.PUSH_LEVELS, Ability.SETTLE)
    def test_a_ticket_nobody_knows_confirms_nothing(self, connector: Connector, far_end: FarEnd) -> None:
        for ticket in ("no-such-ticket", ""):
            acks, error = answers(partial(connector.settle, {"lost": ticket}))
            must(error is None, f"a ticket the channel does not know stops no others; {ticket!r} raised {error!r}")
            said = [ack for ack in acks if ack.key == "lost" and ack.state is AckState.APPLIED]
            must(not said, f"a push the channel has forgotten is not confirmed; {ticket!r} gave {said}")

    def _lists(
        self, connector: Connector, far_end: FarEnd
    ) -> Iterator[tuple[str, Callable[[Connector], object], object]]:
        """What can be listed: what it is, how it is read (None: not all of it yet), and all there is."""
        numbers = set(self.placed(far_end, 2))
        returned = set[str]()
        if Ability.RETURNS in connector.abilities:
            number = self.sold(connector, far_end, 1)[0].number
            numbers.add(number)
            returned.add(far_end.send_back(number, far_end.skus[0], 1))
            far_end.let_time_pass()
        now = datetime.now(UTC)
        window = {"since": now - timedelta(hours=1), "until": now + timedelta(hours=1)}
        yield "a pull", lambda one: _numbers(self.pull(one)), numbers
        if Ability.ROLL_CALL in connector.abilities:
            yield "a roll call", lambda one: {each.number for each in one.roll_call(**window)}, numbers
        if Ability.BACKFILL in connector.abilities:
            yield "a backfill", lambda one: _done(list(one.backfill(None, **window))), numbers
        if Ability.RETURNS in connector.abilities:
            yield "reading returns", lambda one: _numbers(one.returns(None)), returned
        if Ability.LISTINGS in connector.abilities:
            yield "listing", _offered, set(far_end.skus)
        if Ability.OWN_STOCK in connector.abilities:
            there = dict(far_end.own_stock())
            yield "reading its own stock", lambda one: {each.sku: each.available for each in one.own_stock()}, there
        if Ability.READ_LEVELS in connector.abilities:
            keys = self.keys_of(connector, far_end)
            yield "reading levels", lambda one: {each.key for each in one.read_levels(keys)}, {key.key for key in keys}

    def _told(self, connector: Connector, far_end: FarEnd) -> Iterator[Told]:
        """One thing of each kind that can be told, made ready as it is asked for."""
        if Ability.ACKNOWLEDGE in connector.abilities:
            number = self.placed(far_end, 1)[0]
            yield (
                "an acknowledgement",
                lambda: connector.acknowledge([number]),
                lambda: far_end.truths()[number].acknowledged,
            )
        if Ability.PUSH_TRACKING in connector.abilities:
            parcel = self.parcel(far_end, self.ready(connector, far_end, 1)[0])
            yield (
                "a parcel",
                lambda: connector.push_tracking([parcel]),
                lambda: parcel.tracking in [effect.tracking for effect in far_end.effects()],
            )
        if {Ability.PUSH_TRACKING, Ability.VOID_TRACKING} <= connector.abilities:
            ((told, ack),) = self.told(connector, far_end, 1)
            yield (
                "a void parcel",
                lambda: connector.push_voids([self.void(told, ack)]),
                lambda: told.order not in [effect.order for effect in far_end.effects()],
            )
        if Ability.CANCEL in connector.abilities:
            gone = self.cancellation(self.ready(connector, far_end, 1)[0])
            yield (
                "a cancellation",
                lambda: connector.push_cancellations([gone]),
                lambda: sum(far_end.truths()[gone.order].cancelled.values()) == sum(gone.lines.values()),
            )
        if Ability.REFUND in connector.abilities:
            refund = self.refund(self.sold(connector, far_end, 1)[0])
            yield (
                "a refund",
                lambda: connector.push_refunds([refund]),
                lambda: refund.order in [effect.order for effect in far_end.refunds()],
            )
        if Ability.PUSH_LEVELS in connector.abilities:
            levels = self.levels_of(connector, far_end, 27)
            yield (
                "a level",
                lambda: connector.push_levels(levels),
                lambda: all(far_end.levels()[one.sku, one.place] == one.quantity for one in levels),
            )


def _numbers(pages: Iterable[Page]) -> set[str]:
    return {one.number for page in pages for one in page.observations}


def _done(pages: list[Page]) -> set[str] | None:
    """The numbers of a backfill that says it is done."""
    return None if not pages or pages[-1].cursor else _numbers(pages)


def _offered(connector: Connector) -> set[str]:
    return {one.sku for one in connector.listings() if one.fulfiller is Fulfiller.MERCHANT}
