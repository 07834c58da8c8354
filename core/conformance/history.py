"""Roll calls and backfills: every order of a window, and none but those."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from core.conformance.far_end import FarEnd
from core.conformance.given import ENDLESS, Given, must, needs
from core.connector import Ability, Connector
from core.model import Page

_AROUND = timedelta(hours=1)


class History(Given):
    @needs(Ability.ROLL_CALL)
    def test_a_roll_call_names_every_order_once(self, connector: Connector, far_end: FarEnd) -> None:
        numbers = self.placed(far_end, self.plenty)
        now = datetime.now(UTC)
        called = list(connector.roll_call(since=now - _AROUND, until=now + _AROUND))
        must(
            Counter(one.number for one in called) == Counter(numbers),
            f"a roll call names each order of its window once; of {sorted(numbers)} came "
            f"{sorted(one.number for one in called)}",
        )
        odd = [one for one in called if abs(one.placed_at - now) > _AROUND]
        must(not odd, f"it says when each was placed; it said {odd}")

    @needs(Ability.ROLL_CALL)
    def test_a_roll_call_names_no_order_outside_its_window(self, connector: Connector, far_end: FarEnd) -> None:
        self.placed(far_end, 2)
        now = datetime.now(UTC)
        for since, until in ((now - 3 * _AROUND, now - _AROUND), (now - 30 * _AROUND, now - 29 * _AROUND)):
            called = [one.number for one in connector.roll_call(since=since, until=until)]
            must(not called, f"orders placed later than a window are not in it; it named {called}")

    @needs(Ability.BACKFILL)
    def test_a_backfill_yields_every_order_of_its_window(self, connector: Connector, far_end: FarEnd) -> None:
        numbers = self.placed(far_end, self.plenty)
        pages = self._filled(connector, far_end)
        found = self.seen(connector, pages).keys()
        must(found == set(numbers), f"a backfill yields every order; missing {sorted(set(numbers) - found)}")
        must(pages[-1].cursor == "", f"the last page of a backfill has no cursor; it has {pages[-1].cursor!r}")
        early = [page.cursor for page in pages[:-1] if not page.cursor]
        must(not early, "only the last page of a backfill has no cursor")

    @needs(Ability.BACKFILL)
    def test_a_backfill_yields_no_order_outside_its_window(self, connector: Connector, far_end: FarEnd) -> None:
        self.placed(far_end, 2)
        now = datetime.now(UTC)
        pages = self._filled(connector, far_end, since=now - 30 * _AROUND, until=now - 29 * _AROUND)
        found = self.seen(connector, pages)
        must(not found, f"orders placed later than a window are not in it; it yielded {sorted(found)}")
        must(bool(pages) and pages[-1].cursor == "", "a backfill that finds nothing still says that it is done")

    @needs(Ability.BACKFILL)
    def test_the_cursor_of_every_page_of_a_backfill_resumes(self, connector: Connector, far_end: FarEnd) -> None:
        self.placed(far_end, self.plenty)
        pages = self._filled(connector, far_end)
        for at, page in enumerate(pages[:-1], start=1):
            later = self.seen(connector, pages[at:]).keys()
            resumed = self.seen(connector, self._filled(self.again(connector), far_end, page.cursor)).keys()
            must(
                later <= resumed,
                f"the cursor of page {at} of {len(pages)} resumes right behind it; missing {sorted(later - resumed)}",
            )

    def _filled(
        self,
        connector: Connector,
        far_end: FarEnd,
        cursor: str | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[Page]:
        """All pages of one backfill: asked again from the last cursor for as long as the channel takes its time."""
        now = datetime.now(UTC)
        since, until = since or now - _AROUND, until or now + _AROUND
        pages: list[Page] = []
        while len(pages) < ENDLESS:
            for page in connector.backfill(cursor, since=since, until=until):
                pages.append(page)
                cursor = page.cursor
                if not cursor:
                    return pages
            far_end.let_time_pass()
        raise AssertionError(f"a backfill ends; this one has yielded {ENDLESS} pages")
