"""Returns and the channel's own stock: what is told of them, and from where a reading goes on."""

from __future__ import annotations

from core.conformance.far_end import FarEnd
from core.conformance.given import Given, must, needs
from core.connector import Ability, Connector
from core.errors import BadDocument
from core.model import AckState, Page, Return, ReturnState

_NONSENSE = (b"", b"{", b"null", b"[]", b"{}", b'{"number":1}', b'"text"', b"\xff\xfe")


class Returning(Given):
    @needs(Ability.RETURNS)
    def test_a_return_is_told_with_its_order_and_line(self, connector: Connector, far_end: FarEnd) -> None:
        number, line = self._gone(connector, far_end)
        returned = far_end.send_back(number, far_end.skus[0], 1)
        far_end.let_time_pass()
        found = self._returns(connector, list(connector.returns(None)))
        must(found.keys() == {returned}, f"the return {returned} is told; told are {sorted(found)}")
        one = found[returned]
        must(one.order == number, f"a return names its order {number}; it names {one.order!r}")
        told = [(each.order_line or line, each.sku, each.quantity) for each in one.lines]
        must(told == [(line, far_end.skus[0], 1)], f"one unit of line {line} comes back; told was {told}")
        must(one.state is not ReturnState.CALLED_OFF, "a return that was asked for is not called off")

    @needs(Ability.RETURNS)
    def test_the_cursor_of_returns_resumes_without_loss(self, connector: Connector, far_end: FarEnd) -> None:
        shipped = [self._gone(connector, far_end, serial)[0] for serial in (1, 2, 3)]
        first = far_end.send_back(shipped[0], far_end.skus[0], 1)
        far_end.let_time_pass()
        pages = list(connector.returns(None))
        must(first in self._returns(connector, pages), "a first reading yields every return")
        later = {far_end.send_back(number, far_end.skus[0], 1) for number in shipped[1:]}
        far_end.let_time_pass()
        for at, page in enumerate(pages, start=1):
            found = self._returns(connector, list(self.again(connector).returns(page.cursor)))
            must(later <= found.keys(), f"the cursor of page {at} yields later returns; missing {later - found.keys()}")

    @needs(Ability.RETURNS)
    def test_any_document_gives_a_return_or_is_a_bad_document(self, connector: Connector, far_end: FarEnd) -> None:
        number, _ = self._gone(connector, far_end)
        far_end.send_back(number, far_end.skus[0], 1)
        far_end.let_time_pass()
        (body,) = {one.body for page in connector.returns(None) for one in page.observations}
        for document in (*_NONSENSE, *(body[:cut] for cut in range(0, len(body) - 1, max(1, len(body) // 50)))):
            try:
                came: object = connector.normalize_return(document)
            except Exception as error:  # noqa: BLE001 - whatever it raises is judged below
                came = error
            must(
                isinstance(came, Return | BadDocument),
                f"a cut or foreign document gives a return or a BadDocument; it raised {came!r}",
            )

    @needs(Ability.OWN_STOCK)
    def test_the_channels_own_stock_is_told_whole(self, connector: Connector, far_end: FarEnd) -> None:
        there = dict(far_end.own_stock())
        must(bool(there), "the far end keeps some stock of its own")
        told = {one.sku: one.available for one in connector.own_stock()}
        must(told == there, f"its own stock is told by SKU, as it can be sold: {there}; told was {told}")

    def _gone(self, connector: Connector, far_end: FarEnd, serial: int = 1) -> tuple[str, str]:
        """An order whose two units have shipped; its number and its line's."""
        order = self.ready(connector, far_end, 1)[0]
        acks = self.settled(connector, far_end, connector.push_tracking([self.parcel(far_end, order, serial)]))
        far_end.let_time_pass()
        must(all(ack.state is AckState.APPLIED for ack in acks.values()), f"a parcel is told; it was {acks}")
        return order.number, order.lines[0].number

    def _returns(self, connector: Connector, pages: list[Page]) -> dict[str, Return]:
        found = {}
        for page in pages:
            for one in page.observations:
                told = connector.normalize_return(one.body)
                must(told.number == one.number, f"an observation names its return {told.number}; it names {one.number}")
                found[told.number] = told
        return found
