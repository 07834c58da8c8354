"""How what a warehouse tells is read: by pages, whole, without loss, and never guessed."""

from __future__ import annotations

from collections import Counter

from core.conformance.given import must
from core.conformance.warehouses.given import Given, needs
from core.conformance.warehouses.yard import Yard
from core.errors import BadDocument
from core.handover import Counted, Notice, NoticePage, kind_of
from core.warehouse import Deed, WarehouseConnector

NONSENSE = (b"", b"{", b"null", b"[]", b"{}", b'{"id": 1}', b'"text"', b"\xff\xfe", b'{"id": "1", "type": "left"}')


class Reading(Given):
    @needs(Deed.RELEASE, Deed.TELLS_LEFT)
    def test_every_event_has_an_id_of_its_own_that_stays(self, warehouse: WarehouseConnector, yard: Yard) -> None:
        self._happenings(warehouse, yard)
        first = self.pages(warehouse, take=False)
        ids = [notice.id for page in first for notice in page.notices if not self._is_count(warehouse, notice)]
        twice = [id for id, times in Counter(ids).items() if times > 1 or not id]
        must(not twice, f"each event has an id of its own; these are none: {twice}")
        again = [notice.id for page in self.pages(self.again(warehouse), take=False) for notice in page.notices]
        must(set(ids) <= set(again), f"read again they are the same; before {sorted(ids)}, then {sorted(again)}")

    @needs(Deed.RELEASE, Deed.TELLS_LEFT)
    def test_a_notice_is_called_as_its_event_is(self, warehouse: WarehouseConnector, yard: Yard) -> None:
        self._happenings(warehouse, yard)
        for page in self.pages(warehouse):
            for notice in page.notices:
                found = warehouse.normalize(notice.body)
                must(found.id == notice.id, f"notice and event have one id; they have {notice.id!r} and {found.id!r}")

    @needs(Deed.RELEASE, Deed.TELLS_LEFT)
    def test_a_page_that_was_not_taken_comes_once_more(self, warehouse: WarehouseConnector, yard: Yard) -> None:
        self._happenings(warehouse, yard)
        first = self._parcels(warehouse, self.pages(warehouse, take=False))
        again = self._parcels(warehouse, self.pages(self.again(warehouse), take=False))
        must(first <= again and bool(first), f"what was not taken is told again; missing is {first - again}")

    @needs(Deed.RELEASE, Deed.TELLS_LEFT)
    def test_what_happens_later_is_told_by_the_cursor(self, warehouse: WarehouseConnector, yard: Yard) -> None:
        works = self._happenings(warehouse, yard)
        pages = self.pages(warehouse)
        must(bool(pages), "what happened is told")
        yard.send(works, [("1Z99", {yard.skus[1]: 1})])
        yard.let_time_pass()
        later = self._parcels(warehouse, self.pages(self.again(warehouse), pages[-1].cursor))
        must("1Z99" in later, f"a reading from the last cursor tells what happened since; told was {later}")

    @needs(Deed.RELEASE, Deed.TELLS_ACCEPTED, Deed.TELLS_LEFT)
    def test_an_event_says_the_same_whatever_happens_after_it(self, warehouse: WarehouseConnector, yard: Yard) -> None:
        (work,) = self.released(warehouse, yard)
        yard.accept(work.key)
        yard.let_time_pass()
        told: dict[str, bytes] = {}
        for tracking in ("1Z1", "1Z2"):
            for page in self.pages(warehouse, take=False):
                for notice in page.notices:
                    if not self._is_count(warehouse, notice):
                        before = told.setdefault(notice.id, notice.body)
                        must(
                            before == notice.body, f"an event is told in the same words each time; {notice.id!r} is not"
                        )
            yard.send(work.key, [(tracking, {yard.skus[0]: 1})])
            yard.let_time_pass()

    @needs(Deed.RELEASE, Deed.TELLS_LEFT)
    def test_what_cannot_be_read_hides_nothing(self, warehouse: WarehouseConnector, yard: Yard) -> None:
        work = self._happenings(warehouse, yard)
        if not yard.garble():
            return
        yard.send(work, [("1Z98", {yard.skus[1]: 1})])
        yard.let_time_pass()
        good, bad = [], 0
        for page in self.pages(warehouse):
            for notice in page.notices:
                try:
                    good.append(warehouse.normalize(notice.body))
                except BadDocument:
                    bad += 1
        must(bad == 1, f"what cannot be read is yielded, and is a BadDocument; there were {bad}")
        numbers = {box.tracking for one in good for box in getattr(one, "boxes", ())}
        must({"1Z1", "1Z98"} <= numbers, f"what stands around it is told; told was {numbers}")

    @needs(Deed.RELEASE, Deed.TELLS_LEFT)
    def test_any_document_is_an_event_or_a_bad_one(self, warehouse: WarehouseConnector, yard: Yard) -> None:
        self._happenings(warehouse, yard)
        bodies = [notice.body for page in self.pages(warehouse) for notice in page.notices]
        torn = [body[: len(body) * part // 7] for body in bodies for part in range(1, 7)]
        for body in (*NONSENSE, *torn):
            try:
                found = warehouse.normalize(body)
            except BadDocument as error:
                must(bool(str(error)), f"a bad document says what is wrong; {body[:60]!r} did not")
                continue
            except Exception as error:
                raise AssertionError(f"{body[:60]!r} is an event or a BadDocument; it raised {error!r}") from error
            must(bool(found.id and kind_of(found)), f"an event has an id; {body[:60]!r} gave {found}")

    def _is_count(self, warehouse: WarehouseConnector, notice: Notice) -> bool:
        """A shelf that is looked at when it is asked for is another count each time."""
        try:
            return isinstance(warehouse.normalize(notice.body), Counted)
        except BadDocument:
            return False

    def _happenings(self, warehouse: WarehouseConnector, yard: Yard) -> str:
        """Two parcels of one work, whose second SKU is still there; its key."""
        (work,) = self.released(warehouse, yard)
        for tracking in ("1Z1", "1Z2"):
            yard.send(work.key, [(tracking, {yard.skus[0]: 1})])
            yard.let_time_pass()
        return work.key

    def _parcels(self, warehouse: WarehouseConnector, pages: list[NoticePage]) -> set[str]:
        """The tracking numbers that pages tell."""
        return {box.tracking for one in self.read(warehouse, pages) for box in getattr(one, "boxes", ())}
