"""What all checks share: what a suite may say about its warehouse, and the words they are written in."""

from __future__ import annotations

import functools
import unittest
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar, TypeVar

from core.conformance.far_end import Failure
from core.conformance.given import must
from core.conformance.warehouses.yard import Yard
from core.errors import BadDocument
from core.handover import Event, NoticePage, Recall, Withdrawn, WorkLine, WorkOrder
from core.model import Ack, AckState, Address
from core.warehouse import Deed, WarehouseConnector

Suite = TypeVar("Suite", bound="Given")
Kind = TypeVar("Kind", bound=Event)
Check = Callable[[Suite, WarehouseConnector, Yard], None]

ENDLESS = 1000

ADDRESS = Address(
    name="Ada Lovelace", line1="1 Analytical Way", city="Kansas City", region="MO", postal_code="64106", country="US",
    phone="816-555-0100",
)  # fmt: skip


def needs(*deeds: Deed) -> Callable[[Check[Suite]], Check[Suite]]:
    """The check is about these deeds: one declared absent leaves nothing to prove."""

    def wrap(check: Check[Suite]) -> Check[Suite]:
        @functools.wraps(check)
        def checked(self: Suite, warehouse: WarehouseConnector, yard: Yard) -> None:
            if not warehouse.abilities.issuperset(deeds):
                return
            try:
                check(self, warehouse, yard)
            except CannotFail as error:
                if error.how not in self.impossible:
                    raise

        checked.needs = deeds  # type: ignore[attr-defined]  # what a matrix of abilities reads
        return checked

    return wrap


class CannotFail(unittest.SkipTest):
    """A failure the yard cannot be told to have. The test is skipped, unless the suite says that it is impossible."""

    def __init__(self, how: Failure) -> None:
        super().__init__(f"the yard cannot be told to have the failure {how.value!r}")
        self.how = how


@contextmanager
def failing(yard: Yard, how: Failure) -> Iterator[None]:
    """The yard fails so inside. Raises `CannotFail`."""
    if not yard.fail(how):
        raise CannotFail(how)
    try:
        yield
    finally:
        yard.fail(None)


class Given:
    """What a suite may say about its connector and warehouse, beside its two fixtures."""

    prefix: ClassVar[str] = "OS-"
    """What work keys begin with."""

    impossible: ClassVar[Mapping[Failure, str]] = {}
    """Failures that cannot happen here, or that only the connector's own tests can bring about, each with the reason:
    the checks that need them prove nothing."""

    unknown_sku: ClassVar[str] = ""
    """A SKU the warehouse refuses work with at once, where it does."""

    def again(self, warehouse: WarehouseConnector) -> WarehouseConnector:
        """Another instance for the same warehouse, as after a restart. Override it where the two are kept elsewhere."""
        kept: Any = warehouse
        return type(warehouse)(kept.name, kept.settings)

    # The words the checks are written in.

    def work(self, yard: Yard, serial: int = 1, units: Mapping[str, int] | None = None) -> WorkOrder:
        """Two units of the first SKU and one of the second, unless said otherwise."""
        first, second = yard.skus[:2]
        wanted = {first: 2, second: 1} if units is None else units
        return WorkOrder(
            key=f"{self.prefix}{serial}",
            place=yard.place,
            order=f"#{1000 + serial}",
            channel="shop",
            lines=tuple(
                WorkLine(number=str(100 * serial + nth), sku=sku, quantity=count, title=sku.title())
                for nth, (sku, count) in enumerate(wanted.items())
            ),
            placed_at=datetime(2026, 11, 2, 9, tzinfo=UTC),
            ship_to=ADDRESS,
            email="buyer@example.test",
            service="Standard",
        )

    def released(self, warehouse: WarehouseConnector, yard: Yard, count: int = 1) -> list[WorkOrder]:
        """So much work, handed over and arrived."""
        works = [self.work(yard, serial) for serial in range(1, count + 1)]
        acks = list(warehouse.release(works))
        bad = [ack for ack in acks if ack.state not in (AckState.APPLIED, AckState.ACCEPTED)]
        must(not bad and len(acks) == count, f"ordinary work is taken; the answers were {acks}")
        yard.let_time_pass()
        return works

    def number(self, work: WorkOrder, sku: str) -> str:
        return next(line.number for line in work.lines if line.sku == sku)

    def recall(self, work: WorkOrder, serial: int = 1, units: Mapping[str, int] | None = None) -> Recall:
        """All of it, or these units by SKU."""
        lines = {line.number: line.quantity for line in work.lines}
        wanted = lines if units is None else {self.number(work, sku): count for sku, count in units.items()}
        return Recall(
            key=f"{self.prefix}R{serial}", work=work.key, place=work.place, lines=wanted, whole=wanted == lines
        )

    def ended(self, warehouse: WarehouseConnector, yard: Yard, recall: Recall) -> bool:
        """Asks for a recall and waits for what becomes of it: whether its units stay."""
        (ack,) = warehouse.recall([recall])
        must(ack.key == recall.key, f"the recall {recall.key} is answered; answered was {ack.key}")
        if ack.state is AckState.ACCEPTED:
            yard.let_time_pass()
            told = [one for one in self.told(warehouse, Withdrawn) if one.recall == recall.key]
            must(bool(told), f"what became of the recall {recall.key} is told; nothing was")
            return told[-1].done
        must(ack.state in (AckState.APPLIED, AckState.REFUSED), f"a recall ends; it is {ack.state}")
        return ack.state is AckState.APPLIED

    def pages(self, warehouse: WarehouseConnector, cursor: str | None = None, *, take: bool = True) -> list[NoticePage]:
        """All pages of one reading, each taken in before the next."""
        pages = []
        for page in warehouse.events(cursor):
            pages.append(page)
            if take:
                warehouse.taken(page, {})
            must(len(pages) < ENDLESS, f"a reading ends; this one has yielded {ENDLESS} pages")
        return pages

    def read(self, warehouse: WarehouseConnector, pages: Iterable[NoticePage]) -> list[Event]:
        """The events of pages; all of them can be read."""
        found = []
        for page in pages:
            for notice in page.notices:
                try:
                    found.append(warehouse.normalize(notice.body))
                except BadDocument as error:
                    raise AssertionError(f"an ordinary event is no bad document; {notice.id}: {error}") from error
        return found

    def told(self, warehouse: WarehouseConnector, kind: type[Kind]) -> list[Kind]:
        """Everything of a kind that the warehouse tells."""
        return [one for one in self.read(warehouse, self.pages(warehouse)) if isinstance(one, kind)]

    def one_ack_each(self, acks: Iterable[Ack], keys: Sequence[str]) -> None:
        found = Counter(ack.key for ack in acks)
        must(found == Counter(keys), f"each key gets exactly one ack; of {keys} came {sorted(found.elements())}")
