"""Bad days: what fails is raised as what it is, and is never an empty answer, a confirmation or a second effect."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from core.conformance.far_end import Failure, FarEnd
from core.conformance.given import Given, corrected, failing, must, needs
from core.connector import Ability, Connector
from core.errors import ChannelError, Unauthorized, Unavailable
from core.model import Ack, AckState, Cancellation, LevelKey, Refund, Shipment, Voiding


class Failures(Given):
    def test_reading_in_an_outage_is_unavailable(self, connector: Connector, far_end: FarEnd) -> None:
        number = self.placed(far_end, 2)[0]
        cursor = self.pull(connector)[0].cursor
        keys = self._keys(connector, far_end)
        with failing(far_end, Failure.UNAVAILABLE):
            for what, read in self._reads(connector, number, cursor, keys):
                raised = _raised(read)
                must(isinstance(raised, Unavailable), f"{what} in an outage raises Unavailable; it gave {raised!r}")

    def test_telling_in_an_outage_confirms_and_refuses_nothing(self, connector: Connector, far_end: FarEnd) -> None:
        tellings = list(self._tellings(connector, far_end))
        with failing(far_end, Failure.UNAVAILABLE):
            for what, tell in tellings:
                acks, error = answers(tell)
                must(
                    error is None or isinstance(error, Unavailable),
                    f"{what} in an outage raises Unavailable; it raised {error!r}",
                )
                wrong = [ack for ack in acks if ack.state is not AckState.RETRY]
                must(not wrong, f"{what} in an outage is neither confirmed nor refused; it gave {wrong}")
                must(
                    error is not None or bool(acks), f"{what} in an outage is raised or to be retried; it gave nothing"
                )

    @needs(Ability.PUSH_LEVELS, Ability.SETTLE)
    def test_settling_in_an_outage_ends_nothing(self, connector: Connector, far_end: FarEnd) -> None:
        acks = list(connector.push_levels(self.levels_of(connector, far_end, 14)))
        pending = {ack.key: ack.ticket for ack in acks if ack.state is AckState.ACCEPTED}
        if not pending:
            return  # so few are taken at once
        with failing(far_end, Failure.UNAVAILABLE):
            ended, error = answers(lambda: connector.settle(pending))
        must(isinstance(error, Unavailable), f"settling in an outage raises Unavailable; it raised {error!r}")
        must(not ended, f"and ends nothing, not even to be told again; it gave {ended}")

    def test_refused_credentials_are_unauthorized(self, connector: Connector, far_end: FarEnd) -> None:
        number = self.placed(far_end, 2)[0]
        tellings = list(self._tellings(connector, far_end))
        keys = self._keys(connector, far_end)
        with failing(far_end, Failure.UNAUTHORIZED):
            for what, read in self._reads(connector, number, None, keys):
                raised = _raised(read)
                must(
                    isinstance(raised, Unauthorized),
                    f"{what} with refused credentials raises Unauthorized; it gave {raised!r}",
                )
            for what, tell in tellings:
                acks, error = answers(tell)
                must(
                    isinstance(error, Unauthorized) and not acks,
                    f"{what} with refused credentials raises "
                    f"Unauthorized and answers nothing; it raised {error!r} after {acks}",
                )

    @needs(Ability.PUSH_TRACKING)
    def test_a_parcel_whose_answer_was_lost_is_called_ambiguous(self, connector: Connector, far_end: FarEnd) -> None:
        parcels = self._parcels(connector, far_end, 3)
        with failing(far_end, Failure.LOST_ANSWER):
            acks, error = answers(lambda: connector.push_tracking(parcels))
        answered = {ack.key for ack in acks if ack.state is not AckState.RETRY}
        unanswered = [parcel for parcel in parcels if parcel.key not in answered]
        arrived = {effect.tracking for effect in far_end.effects()}
        unsure = [parcel.key for parcel in unanswered if parcel.tracking in arrived]
        if unsure:
            must(
                isinstance(error, Unavailable) and error.ambiguous,
                f"a write whose answer was lost raises Unavailable "
                f"with ambiguous; {unsure} arrived unanswered and it raised {error!r}",
            )
            must(unsure == [unanswered[0].key], f"only the next unanswered parcel may have arrived; so did {unsure}")

    @needs(Ability.PUSH_TRACKING)
    def test_a_parcel_whose_answer_was_lost_arrives_once(self, connector: Connector, far_end: FarEnd) -> None:
        parcels = self._parcels(connector, far_end, 2)
        with failing(far_end, Failure.LOST_ANSWER):
            acks, _ = answers(lambda: connector.push_tracking(parcels))
        far_end.let_time_pass()
        known = {ack.key for ack in acks if ack.state in (AckState.APPLIED, AckState.ACCEPTED)}
        # The rest as every caller must: read the order back, and tell only what is not there.
        missing = [parcel for parcel in parcels if parcel.key not in known and not self._arrived(connector, parcel)]
        self.applied(self.settled(connector, far_end, connector.push_tracking(missing)))
        far_end.let_time_pass()
        came = sorted(effect.tracking for effect in far_end.effects())
        must(came == sorted(parcel.tracking for parcel in parcels), f"each parcel arrives exactly once; came {came}")

    @needs(Ability.PUSH_TRACKING, Ability.CORRECT_TRACKING)
    def test_a_correction_whose_answer_was_lost_arrives_once(self, connector: Connector, far_end: FarEnd) -> None:
        order = self.ready(connector, far_end, 1, units=3)[0]
        parcel = self.parcel(far_end, order, units=1)
        self.applied(self.settled(connector, far_end, connector.push_tracking([parcel])))
        far_end.let_time_pass()
        with failing(far_end, Failure.LOST_ANSWER):
            answers(lambda: connector.push_tracking([corrected(parcel)]))
        far_end.let_time_pass()
        # Told again without a look, which a caller does whose reading back lags: harmless all the same.
        self.applied(self.settled(connector, far_end, connector.push_tracking([corrected(parcel)])))
        far_end.let_time_pass()
        came = [effect.tracking for effect in far_end.effects() if effect.order == order.number]
        must(came == [corrected(parcel).tracking], f"a correction told again is the one parcel it was; came {came}")

    @needs(Ability.PUSH_TRACKING, Ability.VOID_TRACKING)
    def test_a_void_whose_answer_was_lost_is_called_ambiguous(self, connector: Connector, far_end: FarEnd) -> None:
        rows = self._voids(connector, far_end, 3)
        with failing(far_end, Failure.LOST_ANSWER):
            acks, error = answers(lambda: connector.push_voids(rows))
        answered = {ack.key for ack in acks if ack.state is not AckState.RETRY}
        there = {effect.order for effect in far_end.effects()}
        arrived = [row.key for row in rows if row.key not in answered and row.order not in there]
        self._called_ambiguous("a void parcel", arrived, error)

    @needs(Ability.PUSH_TRACKING, Ability.VOID_TRACKING)
    def test_a_void_whose_answer_was_lost_happens_once(self, connector: Connector, far_end: FarEnd) -> None:
        parcels = [parcel for parcel, _ in self.told(connector, far_end, 2, each=2)]
        rows = [self.void(parcel) for parcel in parcels[::2]]
        with failing(far_end, Failure.LOST_ANSWER):
            acks, _ = answers(lambda: connector.push_voids(rows))
        far_end.let_time_pass()
        known = {ack.key for ack in acks if ack.state in (AckState.APPLIED, AckState.ACCEPTED)}
        rest = [row for row in rows if row.key not in known]
        self.applied(self.settled(connector, far_end, self.again(connector).push_voids(rest)))
        far_end.let_time_pass()
        left = sorted(effect.tracking for effect in far_end.effects())
        wanted = sorted(parcel.tracking for parcel in parcels[1::2])
        must(left == wanted, f"a void parcel told again takes back that one alone; of {wanted} are left {left}")

    @needs(Ability.CANCEL)
    def test_a_cancellation_whose_answer_was_lost_is_called_ambiguous(
        self, connector: Connector, far_end: FarEnd
    ) -> None:
        rows = self._cancellations(connector, far_end, 3)
        with failing(far_end, Failure.LOST_ANSWER):
            acks, error = answers(lambda: connector.push_cancellations(rows))
        answered = {ack.key for ack in acks if ack.state is not AckState.RETRY}
        truths = far_end.truths()
        arrived = [row.key for row in rows if row.key not in answered and any(truths[row.order].cancelled.values())]
        self._called_ambiguous("a cancellation", arrived, error)

    @needs(Ability.CANCEL)
    def test_a_cancellation_whose_answer_was_lost_happens_once(self, connector: Connector, far_end: FarEnd) -> None:
        rows = self._cancellations(connector, far_end, 2)
        with failing(far_end, Failure.LOST_ANSWER):
            acks, _ = answers(lambda: connector.push_cancellations(rows))
        far_end.let_time_pass()
        known = {ack.key for ack in acks if ack.state in (AckState.APPLIED, AckState.ACCEPTED)}
        rest = [row for row in rows if row.key not in known]
        self.applied(self.settled(connector, far_end, self.again(connector).push_cancellations(rest)))
        far_end.let_time_pass()
        for row in rows:
            cancelled, wanted = sum(far_end.truths()[row.order].cancelled.values()), sum(row.lines.values())
            must(cancelled == wanted, f"a cancellation of {wanted} told again happens once; cancelled are {cancelled}")

    @needs(Ability.REFUND)
    def test_a_refund_whose_answer_was_lost_is_called_ambiguous(self, connector: Connector, far_end: FarEnd) -> None:
        rows = self._refunds(connector, far_end, 3)
        with failing(far_end, Failure.LOST_ANSWER):
            acks, error = answers(lambda: connector.push_refunds(rows))
        answered = {ack.key for ack in acks if ack.state is not AckState.RETRY}
        paid = {effect.order for effect in far_end.refunds()}
        self._called_ambiguous("a refund", [r.key for r in rows if r.key not in answered and r.order in paid], error)

    @needs(Ability.REFUND)
    def test_a_refund_whose_answer_was_lost_pays_once(self, connector: Connector, far_end: FarEnd) -> None:
        rows = self._refunds(connector, far_end, 2)
        with failing(far_end, Failure.LOST_ANSWER):
            acks, _ = answers(lambda: connector.push_refunds(rows))
        far_end.let_time_pass()
        known = {ack.key for ack in acks if ack.state in (AckState.APPLIED, AckState.ACCEPTED)}
        rest = [row for row in rows if row.key not in known]
        self.applied(self.settled(connector, far_end, self.again(connector).push_refunds(rest)))
        far_end.let_time_pass()
        paid = sorted(effect.order for effect in far_end.refunds())
        must(paid == sorted(row.order for row in rows), f"each refund pays exactly once; paid were {paid}")

    @needs(Ability.PUSH_LEVELS)
    def test_levels_whose_answer_was_lost_end_as_told(self, connector: Connector, far_end: FarEnd) -> None:
        levels = self.levels_of(connector, far_end, 13)
        with failing(far_end, Failure.LOST_ANSWER):
            acks, error = answers(lambda: connector.push_levels(levels))
        must(error is None or isinstance(error, Unavailable), f"a lost answer is Unavailable; it raised {error!r}")
        wrong = [ack for ack in acks if ack.state in (AckState.REFUSED, AckState.STALE)]
        must(not wrong, f"a lost answer refuses no level; it gave {wrong}")
        self.applied(self.settled(connector, far_end, connector.push_levels(levels)))
        far_end.let_time_pass()
        held = {far_end.levels()[level.sku, level.place] for level in levels}
        must(held == {13}, f"levels told again after a lost answer are as told; they are {sorted(held)}")

    def _keys(self, connector: Connector, far_end: FarEnd) -> list[LevelKey]:
        return self.keys_of(connector, far_end) if Ability.READ_LEVELS in connector.abilities else []

    def _reads(
        self, connector: Connector, number: str, cursor: str | None, keys: Sequence[LevelKey]
    ) -> Iterator[tuple[str, Callable[[], object]]]:
        yield "a pull", lambda: self.pull(connector, cursor)
        yield "fetching an order", lambda: connector.fetch(number)
        if Ability.LISTINGS in connector.abilities:
            yield "listing", lambda: list(connector.listings())
        if keys:
            yield "reading levels", lambda: list(connector.read_levels(keys))
        now = datetime.now(UTC)
        window = {"since": now - timedelta(days=1), "until": now}
        if Ability.ROLL_CALL in connector.abilities:
            yield "a roll call", lambda: list(connector.roll_call(**window))
        if Ability.BACKFILL in connector.abilities:
            yield "a backfill", lambda: list(connector.backfill(None, **window))
        if Ability.RETURNS in connector.abilities:
            yield "reading returns", lambda: list(connector.returns(None))
        if Ability.OWN_STOCK in connector.abilities:
            yield "reading its own stock", lambda: list(connector.own_stock())

    def _tellings(self, connector: Connector, far_end: FarEnd) -> Iterator[tuple[str, Callable[[], Iterable[Ack]]]]:
        if Ability.ACKNOWLEDGE in connector.abilities:
            numbers = self.placed(far_end, 1)
            yield "an acknowledgement", lambda: connector.acknowledge(numbers)
        if Ability.PUSH_TRACKING in connector.abilities:
            parcels = self._parcels(connector, far_end, 1)
            yield "a parcel", lambda: connector.push_tracking(parcels)
        if {Ability.PUSH_TRACKING, Ability.VOID_TRACKING} <= connector.abilities:
            voids = self._voids(connector, far_end, 1)
            yield "a void parcel", lambda: connector.push_voids(voids)
        if Ability.CANCEL in connector.abilities:
            cancellations = self._cancellations(connector, far_end, 1)
            yield "a cancellation", lambda: connector.push_cancellations(cancellations)
        if Ability.REFUND in connector.abilities:
            refunds = self._refunds(connector, far_end, 1)
            yield "a refund", lambda: connector.push_refunds(refunds)
        if Ability.PUSH_LEVELS in connector.abilities:
            levels = self.levels_of(connector, far_end, 9)
            yield "a level", lambda: connector.push_levels(levels)

    def _parcels(self, connector: Connector, far_end: FarEnd, count: int) -> list[Shipment]:
        # One unit of two: a second parcel would still find something to ship.
        orders = self.ready(connector, far_end, count)
        return [self.parcel(far_end, order, serial, units=1) for serial, order in enumerate(orders, start=1)]

    def _voids(self, connector: Connector, far_end: FarEnd, count: int) -> list[Voiding]:
        return [self.void(parcel, ack) for parcel, ack in self.told(connector, far_end, count)]

    def _cancellations(self, connector: Connector, far_end: FarEnd, count: int) -> list[Cancellation]:
        orders = self.ready(connector, far_end, count, units=3)
        units = None if self.only_whole else 1
        return [self.cancellation(order, serial, units=units) for serial, order in enumerate(orders, start=1)]

    def _refunds(self, connector: Connector, far_end: FarEnd, count: int) -> list[Refund]:
        return [
            self.refund(order, serial) for serial, order in enumerate(self.sold(connector, far_end, count, 3), start=1)
        ]

    def _called_ambiguous(self, what: str, arrived: list[str], error: ChannelError | None) -> None:
        """What took effect without an answer is called in doubt."""
        if arrived:
            must(
                isinstance(error, Unavailable) and error.ambiguous,
                f"{what} whose answer was lost raises Unavailable with ambiguous; {arrived} arrived and it raised "
                f"{error!r}",
            )
            keys = error.keys if isinstance(error, Unavailable) else None
            must(keys is None or keys >= set(arrived), f"{arrived} arrived unanswered; called in doubt were {keys}")

    def _arrived(self, connector: Connector, parcel: Shipment) -> bool:
        shown = self.fetched(connector, parcel.order)
        return parcel.tracking in [package.tracking for package in shown.packages]


def _raised(call: Callable[[], object]) -> object:
    """The `ChannelError` of a call, or what it returned."""
    try:
        return call()
    except ChannelError as error:
        return error


def answers(tell: Callable[[], Iterable[Ack]]) -> tuple[list[Ack], ChannelError | None]:
    """The acks that came before the error, and the error."""
    came = []
    try:
        for ack in tell():
            came.append(ack)
    except ChannelError as error:
        return came, error
    return came, None
