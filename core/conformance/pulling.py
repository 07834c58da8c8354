"""Pages and cursors: nothing lost, nothing half, whatever happens between two pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from core.conformance.far_end import FarEnd
from core.conformance.given import ENDLESS, Given, must
from core.connector import Connector
from core.model import Page


class Pulling(Given):
    def test_a_pull_yields_every_order(self, connector: Connector, far_end: FarEnd) -> None:
        numbers = self.placed(far_end, self.plenty)
        found = self.seen(connector, self.pull(connector)).keys()
        must(
            found == set(numbers),
            f"a first pull yields every order; missing {sorted(set(numbers) - found)}, "
            f"unknown {sorted(found - set(numbers))}",
        )

    def test_the_oldest_change_comes_first(self, connector: Connector, far_end: FarEnd) -> None:
        if self.out_of_order:
            return
        numbers = self.placed(far_end, self.plenty)
        far_end.cancel(numbers[0], sku=far_end.skus[0], quantity=1)
        far_end.let_time_pass()
        orders = [self.order(connector, one) for page in self.pull(connector) for one in page.observations]
        versions = [order.version for order in orders]
        must(versions == sorted(versions), f"the oldest change comes first; the versions came as {versions}")

    def test_an_order_is_yielded_whole(self, connector: Connector, far_end: FarEnd) -> None:
        skus = far_end.skus
        number = far_end.place([(skus[at % len(skus)], 1 + at % 2) for at in range(self.many_lines)])
        far_end.let_time_pass()
        shown = {one.number: self.order(connector, one) for page in self.pull(connector) for one in page.observations}
        must(number in shown, f"a long order is yielded; {number} was not")
        units: dict[str, int] = {}
        for line in shown[number].lines:
            units[line.sku] = units.get(line.sku, 0) + line.ordered
        count = len(shown[number].lines)
        must(
            count == self.many_lines,
            f"lines of one SKU are told each; of {self.many_lines} came {count}",
        )
        truth = dict(far_end.truths()[number].ordered)
        must(units == truth, f"an order is yielded with all its lines; of {truth} came {units}")

    def test_a_first_pull_takes_since_in_any_time_zone(self, connector: Connector, far_end: FarEnd) -> None:
        numbers = self.placed(far_end, 2)
        zone = timezone(timedelta(hours=9))
        pages = self.pull(connector, since=(datetime.now(UTC) - timedelta(hours=1)).astimezone(zone))
        found = self.seen(connector, pages).keys()
        must(found == set(numbers), f"a first pull yields what changed after since; missing {set(numbers) - found}")

    def test_the_cursor_of_every_page_resumes_without_loss(self, connector: Connector, far_end: FarEnd) -> None:
        self.placed(far_end, self.plenty)
        pages = self._several(self.pull(connector))
        for at, page in enumerate(pages, start=1):
            later = self.seen(connector, pages[at:])
            resumed = self.seen(connector, self.pull(connector, page.cursor))
            self._holds(resumed, later, f"the cursor of page {at} of {len(pages)}")

    def test_the_cursor_of_every_page_still_resumes_after_changes(self, connector: Connector, far_end: FarEnd) -> None:
        numbers = self.placed(far_end, self.plenty)
        pages = self._several(self.pull(connector))
        far_end.cancel(numbers[0], sku=far_end.skus[0], quantity=1)
        new = self.placed(far_end, 1)[0]
        changed = {number: self.fetched(connector, number).version for number in (numbers[0], new)}
        for at, page in enumerate(pages, start=1):
            later = self.seen(connector, pages[at:]) | changed
            resumed = self.seen(connector, self.pull(connector, page.cursor))
            self._holds(resumed, later, f"the cursor of page {at} of {len(pages)}, after changes,")

    def test_a_change_in_the_middle_of_a_pull_is_not_lost(self, connector: Connector, far_end: FarEnd) -> None:
        numbers = self.placed(far_end, self.plenty)
        pages: list[Page] = []
        for page in connector.pages(None):
            pages.append(page)
            must(len(pages) < ENDLESS, f"a pull ends; this one has yielded {ENDLESS} pages")
            if len(pages) == 1:
                # One order already seen, one perhaps not yet, and one that is new.
                far_end.cancel(numbers[0], sku=far_end.skus[0], quantity=1)
                far_end.cancel(numbers[-1], sku=far_end.skus[0], quantity=1)
                numbers += self.placed(far_end, 1)
        self._several(pages)
        pages += self.pull(connector, pages[-1].cursor)
        truth = {number: self.fetched(connector, number).version for number in numbers}
        self._holds(self.seen(connector, pages), truth, "a pull during which orders changed, and the next one,")

    def test_a_cursor_works_in_a_fresh_instance(self, connector: Connector, far_end: FarEnd) -> None:
        self.placed(far_end, self.plenty)
        for page in self.pull(connector):
            here = self.seen(connector, self.pull(connector, page.cursor))
            other = self.again(connector)
            there = self.seen(other, self.pull(other, page.cursor))
            other.close()
            must(
                here == there, f"a cursor means the same after a restart; it gave {sorted(here)}, then {sorted(there)}"
            )

    def test_the_cursor_gets_on_with_the_pages(self, connector: Connector, far_end: FarEnd) -> None:
        self.placed(far_end, self.plenty)
        pages = self._several(self.pull(connector))
        first, last = (page.cursor for page in (pages[0], pages[-1]))
        must(first != last, f"a cursor gets on: {len(pages)} pages were read, and the last one's is the first one's")

    def test_a_repeated_pull_yields_the_same(self, connector: Connector, far_end: FarEnd) -> None:
        self.placed(far_end, self.plenty)
        once, twice = (self.seen(connector, self.pull(connector)) for _ in range(2))
        must(once == twice, f"a pull may be repeated; it gave {sorted(once)}, then {sorted(twice)}")

    def test_a_pull_with_nothing_new_leads_on(self, connector: Connector, far_end: FarEnd) -> None:
        self.placed(far_end, 2)
        pages = self.pull(connector)
        known, cursor = self.seen(connector, pages), pages[-1].cursor
        for _ in range(2):
            pages = self.pull(connector, cursor)
            self._holds(known, self.seen(connector, pages), "what was pulled before")
            cursor = pages[-1].cursor if pages else cursor
        new = self.placed(far_end, 1)[0]
        found = self.seen(connector, self.pull(connector, cursor))
        must(new in found, f"what comes after pulls with nothing new is yielded; {new} was not")

    def test_a_channel_without_orders_is_pulled_in_peace(self, connector: Connector, far_end: FarEnd) -> None:
        pages = self.pull(connector)
        must(not self.seen(connector, pages), "a channel without orders yields none")
        new = self.placed(far_end, 1)[0]
        found = self.seen(connector, self.pull(connector, pages[-1].cursor if pages else None))
        must(new in found, f"the first order ever is yielded; {new} was not")

    def _several(self, pages: list[Page]) -> list[Page]:
        filled = sum(1 for page in pages if page.observations)
        must(
            filled >= 3,
            f"{self.plenty} orders must fill three pages to test paging, and filled {filled}; "
            "make the connector's pages smaller, or `plenty` larger",
        )
        return pages

    @staticmethod
    def _holds(found: dict[str, int], wanted: dict[str, int], what: str) -> None:
        """Every wanted order was found, as new or newer."""
        lost = sorted(number for number, version in wanted.items() if found.get(number, -1) < version)
        must(not lost, f"{what} yields every order in its newest version; lost or old: {lost}")
