"""Bad days: what fails is raised as what it is, and is never an empty answer, a confirmation or a second effect."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from core.conformance.far_end import Failure
from core.conformance.given import must
from core.conformance.warehouses.given import Given, failing, needs
from core.conformance.warehouses.yard import Yard
from core.errors import ChannelError, Unauthorized, Unavailable
from core.model import Ack, AckState
from core.warehouse import Deed, WarehouseConnector


class Failing(Given):
    def test_reading_in_an_outage_is_unavailable(self, warehouse: WarehouseConnector, yard: Yard) -> None:
        with failing(yard, Failure.UNAVAILABLE):
            try:
                found: object = self.pages(warehouse)
            except ChannelError as error:
                found = error
            must(isinstance(found, Unavailable), f"reading in an outage raises Unavailable; it gave {found!r}")

    @needs(Deed.RELEASE)
    def test_handing_over_in_an_outage_confirms_and_refuses_nothing(
        self, warehouse: WarehouseConnector, yard: Yard
    ) -> None:
        work = self.work(yard)
        with failing(yard, Failure.UNAVAILABLE):
            acks, error = _answers(lambda: warehouse.release([work]))
        must(error is None or isinstance(error, Unavailable), f"it raises Unavailable; it raised {error!r}")
        wrong = [ack for ack in acks if ack.state is not AckState.RETRY]
        must(not wrong, f"in an outage work is neither confirmed nor refused; it gave {wrong}")
        must(error is not None or bool(acks), "in an outage work is raised or to be retried; it gave nothing")

    @needs(Deed.RELEASE, Deed.RECALL)
    def test_a_recall_in_an_outage_is_neither_done_nor_refused(self, warehouse: WarehouseConnector, yard: Yard) -> None:
        (work,) = self.released(warehouse, yard)
        with failing(yard, Failure.UNAVAILABLE):
            acks, error = _answers(lambda: warehouse.recall([self.recall(work)]))
        must(error is None or isinstance(error, Unavailable), f"it raises Unavailable; it raised {error!r}")
        wrong = [ack for ack in acks if ack.state is not AckState.RETRY]
        must(not wrong, f"in an outage a recall is neither done nor refused; it gave {wrong}")

    @needs(Deed.RELEASE)
    def test_refused_credentials_are_unauthorized(self, warehouse: WarehouseConnector, yard: Yard) -> None:
        work = self.work(yard)
        with failing(yard, Failure.UNAUTHORIZED):
            acks, error = _answers(lambda: warehouse.release([work]))
            must(isinstance(error, Unauthorized) and not acks, f"it raises Unauthorized; it gave {error!r}, {acks}")

    @needs(Deed.RELEASE)
    def test_work_whose_answer_was_lost_is_called_ambiguous(self, warehouse: WarehouseConnector, yard: Yard) -> None:
        works = [self.work(yard, serial) for serial in (1, 2, 3)]
        with failing(yard, Failure.LOST_ANSWER):
            acks, error = _answers(lambda: warehouse.release(works))
        answered = {ack.key for ack in acks if ack.state is not AckState.RETRY}
        unsure = yard.works().keys() - answered
        if unsure:
            must(
                isinstance(error, Unavailable) and error.ambiguous,
                f"a lost answer is Unavailable with ambiguous; {sorted(unsure)} arrived and it raised {error!r}",
            )
            keys = error.keys if isinstance(error, Unavailable) else None
            must(keys is None or keys >= unsure, f"{sorted(unsure)} arrived unanswered; in doubt were {keys}")

    @needs(Deed.RELEASE)
    def test_work_whose_answer_was_lost_is_done_once(self, warehouse: WarehouseConnector, yard: Yard) -> None:
        works = [self.work(yard, serial) for serial in (1, 2)]
        with failing(yard, Failure.LOST_ANSWER):
            acks, _ = _answers(lambda: warehouse.release(works))
        known = {ack.key for ack in acks if ack.state in (AckState.APPLIED, AckState.ACCEPTED)}
        rest = [work for work in works if work.key not in known]
        again, error = _answers(lambda: self.again(warehouse).release(rest))
        taken = {ack.key for ack in again if ack.state in (AckState.APPLIED, AckState.ACCEPTED)} | known
        must(taken == {work.key for work in works}, f"handed over again it is taken; it gave {again}, {error!r}")
        yard.let_time_pass()
        times = {key: order.times for key, order in yard.works().items()}
        must(times == {work.key: 1 for work in works}, f"each work is done once; it would be {times}")


def _answers(tell: Callable[[], Iterable[Ack]]) -> tuple[list[Ack], ChannelError | None]:
    """The acks that came before the error, and the error."""
    came = []
    try:
        for ack in tell():
            came.append(ack)
    except ChannelError as error:
        return came, error
    return came, None
