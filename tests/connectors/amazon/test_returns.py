"""Returns from Amazon's report: asked for, awaited, read row by row, and told by how far they have come."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from werkzeug.wrappers import Request, Response

from connectors.amazon import Amazon, returns
from connectors.amazon.presigned import Document
from connectors.amazon.returns import normalize_return
from connectors.amazon.simulator import AmazonSimulator
from core.errors import BadDocument, Rejected, Unauthorized, Unavailable
from core.model import Observation, Page, Return, ReturnState, micros
from tests.connectors.amazon.conftest import Connect, hurried
from tests.connectors.amazon.test_tracking import one as ship
from tests.connectors.amazon.test_tracking import parcel, placed

RECORDED = Path(__file__).resolve().parents[3] / "fixtures" / "amazon" / "returns_report.tsv"


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long a report was waited for; nobody really does."""
    waited: list[float] = []
    monkeypatch.setattr("core.http.pause", waited.append)
    return waited


def shipped(simulator: AmazonSimulator, amazon: Amazon, *lines: tuple[str, int], serial: int = 1) -> str:
    before = placed(simulator, amazon, *(lines or (("SKU-0", 2),)))
    ship(amazon, parcel(before, serial))
    return before.number


def seen(pages: list[Page]) -> dict[str, Return]:
    found = [normalize_return(one.body) for page in pages for one in page.observations]
    assert [one.number for page in pages for one in page.observations] == [each.number for each in found]
    return {each.number: each for each in found}


def test_a_return_is_read_with_its_order_line_and_label(simulator: AmazonSimulator, amazon: Amazon) -> None:
    number = shipped(simulator, amazon)
    rma = simulator.send_back(number, "SKU-0", 1)
    back = simulator.reports.returned[0]
    back.tracking = "9400"
    pages = list(amazon.returns(None))
    told = seen(pages)[rma]
    assert (told.order, told.state, told.tracking, told.carrier) == (number, ReturnState.AUTHORISED, "9400", "USPS")
    (line,) = told.lines
    assert (line.order_line, line.sku, line.quantity, line.refunded) == (back.item, "SKU-0", 1, 0)
    assert line.reason == "CR-UNWANTED_ITEM"
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    assert told.requested_at == today
    assert json.loads(pages[-1].cursor) == {"read": "70000000001"}


def test_a_return_that_came_further_is_newer_and_one_that_did_not_is_the_same(
    simulator: AmazonSimulator, amazon: Amazon
) -> None:
    rma = simulator.send_back(shipped(simulator, amazon), "SKU-0", 2)
    back = simulator.reports.returned[0]
    came: list[tuple[ReturnState, int]] = []
    bodies: list[bytes] = []
    cursor = None
    for change in (
        {},
        {},
        {"tracking": "9400"},
        {"delivered": back.asked},
        {"refunded": "25.00"},
        {"status": "Closed"},
    ):
        for name, value in change.items():
            setattr(back, name, value)
        pages = list(amazon.returns(cursor))
        cursor = pages[-1].cursor
        bodies.append(pages[0].observations[0].body)
        told = seen(pages)[rma]
        came.append((told.state, told.version))
    states = [state.value for state, _ in came]
    assert states == ["authorised", "authorised", "authorised", "delivered", "delivered", "closed"]
    versions = [version for _, version in came]
    assert versions[0] == versions[1]
    assert bodies[0] == bodies[1]
    assert versions[1:] == sorted(set(versions[1:]))


def test_every_reading_covers_sixty_days_and_no_more(simulator: AmazonSimulator, amazon: Amazon) -> None:
    rma = simulator.send_back(shipped(simulator, amazon), "SKU-0", 1)
    day = 86_400_000_000
    simulator.reports.returned[0].asked -= 59 * day
    pages = list(amazon.returns(None))
    assert seen(pages).keys() == {rma}
    assert seen(list(amazon.returns(pages[-1].cursor))).keys() == {rma}
    simulator.reports.returned[0].asked -= 2 * day
    assert seen(list(amazon.returns(pages[-1].cursor))) == {}
    assert {report.state for report in simulator.reports.reports.values()} == {"DONE", "CANCELLED"}


def test_a_first_reading_may_begin_later(simulator: AmazonSimulator, amazon: Amazon) -> None:
    simulator.send_back(shipped(simulator, amazon), "SKU-0", 1)
    simulator.reports.returned[0].asked -= 5 * 86_400_000_000
    assert seen(list(amazon.returns(None, since=datetime.now(UTC) - timedelta(days=2)))) == {}
    assert len(seen(list(amazon.returns(None, since=datetime.now(UTC) - timedelta(days=700))))) == 1


def test_a_report_about_nothing_leads_on(simulator: AmazonSimulator, amazon: Amazon) -> None:
    (page,) = amazon.returns(None)
    assert page.observations == ()
    assert simulator.calls["getReportDocument"] == 0
    rma = simulator.send_back(shipped(simulator, amazon), "SKU-0", 1)
    assert seen(list(amazon.returns(page.cursor))).keys() == {rma}


def test_a_report_that_takes_its_time_is_read_by_the_next_reading(connect: Connect, waits: list[float]) -> None:
    with hurried(report_seconds=60.0) as simulator:
        assert isinstance(simulator, AmazonSimulator)
        amazon = connect(simulator)
        rma = simulator.send_back(shipped(simulator, amazon), "SKU-0", 1)
        (page,) = amazon.returns(None)
        assert page.observations == ()
        assert sum(waits) == 30.0
        (again,) = amazon.returns(page.cursor)
        assert again.cursor == page.cursor
        simulator.settle_feeds()
        assert seen(list(connect(simulator).returns(page.cursor))).keys() == {rma}
        assert simulator.calls["createReport"] == 1


def test_a_report_read_late_is_followed_by_a_new_one(simulator: AmazonSimulator, amazon: Amazon) -> None:
    first = simulator.send_back(shipped(simulator, amazon), "SKU-0", 1)
    page = next(iter(amazon.returns(None)))
    simulator.send_back(shipped(simulator, amazon, serial=2), "SKU-0", 1)
    report = json.loads(page.cursor)["read"]
    late = json.dumps({"report": report, "asked": 1.0})
    pages = list(amazon.returns(late))
    assert [len(page.observations) for page in pages] == [1, 2]
    assert pages[0].observations[0].number == first


def test_many_returns_come_in_pages_and_each_cursor_resumes_inside_the_report(
    simulator: AmazonSimulator, amazon: Amazon, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(returns, "PAGE", 2)
    number = shipped(simulator, amazon, ("SKU-0", 5))
    numbers = [simulator.send_back(number, "SKU-0", 1) for _ in range(5)]
    pages = list(amazon.returns(None))
    assert [[one.number for one in page.observations] for page in pages] == [numbers[:2], numbers[2:4], numbers[4:]]
    for at, page in enumerate(pages[:-1]):
        rest = list(connect(simulator).returns(page.cursor))
        assert [one.number for each in rest for one in each.observations] == numbers[2 * at + 2 :]
    assert simulator.calls["createReport"] == 1


def test_a_report_amazon_gave_up_on_is_an_outage_and_one_it_forgot_is_asked_for_again(
    simulator: AmazonSimulator, amazon: Amazon, monkeypatch: pytest.MonkeyPatch
) -> None:
    rma = simulator.send_back(shipped(simulator, amazon), "SKU-0", 1)
    forgotten = json.dumps({"report": "404", "asked": 1.0})
    assert seen(list(amazon.returns(forgotten))).keys() == {rma}
    monkeypatch.setattr("connectors.amazon.simulator.reports.REACH", timedelta(days=1))
    with pytest.raises(Unavailable, match="gave up"):
        list(amazon.returns(None))


def test_a_lacking_role_is_no_empty_report(simulator: AmazonSimulator, amazon: Amazon) -> None:
    simulator.denied.add("createReport")
    with pytest.raises(Unauthorized) as caught:
        list(amazon.returns(None))
    assert caught.value.forbidden


def test_a_position_that_is_none_says_what_to_do(amazon: Amazon) -> None:
    with pytest.raises(Rejected, match="read them anew"):
        list(amazon.returns("nonsense"))


# What stands in the report.


def observed(document: Document, amazon: Amazon) -> list[Observation]:
    return returns._observations(amazon._account, document)


def recorded(amazon: Amazon) -> dict[str, Return]:
    return {
        one.number: normalize_return(one.body) for one in observed(Document(RECORDED.read_bytes(), "Cp1252"), amazon)
    }


def test_a_recorded_report_is_read_return_by_return(amazon: Amazon) -> None:
    found = recorded(amazon)
    states = {number: told.state.value for number, told in found.items()}
    assert states == {
        "DTWOROWSRRMA": "authorised",
        "DDELIVERRRMA": "delivered",
        "DRETURNLRRMA": "closed",
        "DREJECTERRMA": "called_off",
        "DHALFWAYRRMA": "authorised",
        "DNEWWORDRRMA": "requested",
    }  # the row that Amazon has given no number is no return yet
    two = found["DTWOROWSRRMA"]
    assert [(line.number, line.order_line, line.sku, line.quantity) for line in two.lines] == [
        ("90000000000001", "90000000000001", "MUG-BLUE", 2),
        ("90000000000001/2", "90000000000001", "MUG-BLUE", 1),
    ]
    assert two.requested_at == datetime(2026, 9, 29, tzinfo=UTC)
    delivered = found["DDELIVERRRMA"]
    assert delivered.version >= micros(datetime(2026, 10, 7, tzinfo=UTC))
    assert [line.refunded for line in delivered.lines] == [1]
    halfway = found["DHALFWAYRRMA"]
    assert [line.sku for line in halfway.lines] == ["PEN-7"]  # its other line was called off
    assert halfway.lines[0].reason == "Größe passt nicht"
    assert found["DREJECTERRMA"].lines[0].sku == "MUG-BLUE"


def test_a_report_without_item_ids_names_lines_by_sku(amazon: Amazon) -> None:
    text = RECORDED.read_bytes().decode("cp1252").replace("\tOrder Item ID", "\tSomething else")
    found = {one.number: normalize_return(one.body) for one in observed(Document(text.encode(), ""), amazon)}
    two = found["DTWOROWSRRMA"]
    assert [(line.number, line.order_line) for line in two.lines] == [("MUG-BLUE", ""), ("MUG-BLUE/2", "")]


@pytest.mark.parametrize("charset", ["", "Cp1252", "UTF-8", "no-such-charset"])
def test_a_report_is_read_in_whatever_it_is_written(amazon: Amazon, charset: str) -> None:
    for body in (RECORDED.read_bytes(), b"\xef\xbb\xbf" + RECORDED.read_bytes().decode("cp1252").encode()):
        if charset == "Cp1252" and body[:3] == b"\xef\xbb\xbf":
            continue
        (found,) = (one for one in observed(Document(body, charset), amazon) if one.number == "DHALFWAYRRMA")
        assert normalize_return(found.body).lines[0].reason == "Größe passt nicht"


@pytest.mark.parametrize("column", returns.NEEDED)
def test_a_report_that_lacks_a_column_is_an_outage_never_no_returns(amazon: Amazon, column: str) -> None:
    text = RECORDED.read_bytes().decode("cp1252")
    head, _, rest = text.partition("\n")
    spoilt = "\t".join("?" if name.lower() == column else name for name in head.split("\t")) + "\n" + rest
    with pytest.raises(Unavailable, match=column):
        observed(Document(spoilt.encode(), ""), amazon)


@pytest.mark.parametrize("body", [b"", b"\n", b"<html>", b"x" * 200_000])
def test_what_is_no_report_is_an_outage(amazon: Amazon, body: bytes) -> None:
    with pytest.raises(Unavailable):
        observed(Document(body, ""), amazon)


def row(**told: str) -> dict[str, str]:
    return {
        "amazon rma id": "R", "order id": "O", "merchant sku": "S", "return quantity": "1",
        "return request date": "29-Sep-2026", "return request status": "Approved",
    } | told  # fmt: skip


def body(*rows: dict[str, str]) -> bytes:
    return json.dumps({"rma": "R", "rows": rows}).encode()


@pytest.mark.parametrize(
    ("told", "what"),
    [
        ({"return quantity": "0"}, "return quantity"),
        ({"return quantity": "-1"}, "return quantity"),
        ({"return quantity": "1.5"}, "return quantity"),
        ({"return quantity": "1e3"}, "return quantity"),
        ({"return quantity": "2147483648"}, "return quantity"),
        ({"return quantity": ""}, "return quantity"),
        ({"return request date": "soon"}, "return request date: not a day"),
        ({"return request date": "31-Feb-2026"}, "return request date: not a day"),
        ({"return request date": "01-Foo-2026"}, "return request date: not a day"),
        ({"return request date": "2026-09-29T10:00:00"}, "without a zone"),
        ({"return request date": "0001-01-01T00:00:00+14:00"}, "not a day"),
        ({"return delivery date": "later"}, "return delivery date"),
        ({"order id": ""}, "order id"),
    ],
)
def test_a_row_that_cannot_be_trusted_is_a_bad_document(told: dict[str, str], what: str) -> None:
    with pytest.raises(BadDocument, match=what):
        normalize_return(body(row(**told)))


@pytest.mark.parametrize("order", [1, -1])
def test_a_return_is_no_further_than_its_last_row(order: int) -> None:
    rows = [row(**{"return request status": "Closed"}), row(**{"return request status": "Approved"})][::order]
    assert normalize_return(body(*rows)).state is ReturnState.AUTHORISED


def test_what_is_not_utf_8_is_read_as_windows_writes_it() -> None:
    assert returns._text(Document("5 €".encode("cp1252"), "")) == "5 €"


def test_a_quote_in_a_title_is_a_letter_like_others(amazon: Amazon) -> None:
    text = RECORDED.read_bytes().decode("cp1252")
    head, _, rest = text.partition("\n")
    quoted = head + "\n" + rest.replace("\t", '\t"', 1)
    before, after = (observed(Document(each.encode(), ""), amazon) for each in (text, quoted))
    assert [one.number for one in after] == [one.number for one in before]


def test_rows_of_two_orders_are_no_return() -> None:
    with pytest.raises(BadDocument, match="not one order"):
        normalize_return(body(row(), row(**{"order id": "P"})))


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"rma": "", "rows": []}',
        b'{"rma": "R", "rows": []}',
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_what_is_no_return_is_a_bad_document(document: bytes) -> None:
    with pytest.raises(BadDocument):
        normalize_return(document)


def test_a_bad_documents_text_holds_nothing_of_what_stood_there() -> None:
    with pytest.raises(BadDocument) as caught:
        normalize_return(body(row(**{"return quantity": "canary", "return reason": "canary"})))
    assert "canary" not in str(caught.value)


def test_instants_with_a_zone_are_read_too_and_nul_is_replaced() -> None:
    told = normalize_return(body(row(**{"return request date": "2026-09-29T10:00:00+09:00", "merchant sku": "a\0b"})))
    assert told.requested_at == datetime(2026, 9, 29, 1, tzinfo=UTC)
    assert told.lines[0].sku == "a\ufffdb"


@pytest.mark.parametrize(
    ("paid", "refunded"), [("", 0), ("0", 0), ("0.00", 0), ("12.50", 3), ("12,50", 3), ("1.234,50", 3), ("n/a", 0)]
)
def test_money_given_back_counts_for_the_units_of_its_row(paid: str, refunded: int) -> None:
    told = normalize_return(body(row(**{"refunded amount": paid, "return quantity": "3"})))
    assert told.lines[0].refunded == refunded


def test_an_outage_while_the_report_is_awaited_is_an_outage(simulator: AmazonSimulator, amazon: Amazon) -> None:
    handle: Callable[[Request], Response] = simulator.handle

    def down(request: Request) -> Response:
        if request.path.startswith("/reports/2021-06-30/reports/"):
            return Response("<html></html>", 503, mimetype="text/html")
        return handle(request)

    simulator.handle = down  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        list(amazon.returns(None))
