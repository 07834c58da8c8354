"""Files as warehouses send them on bad days: half uploaded, sent twice, mangled by spreadsheets."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.filedrop import FileDrop
from connectors.filedrop.export import safe
from connectors.filedrop.rows import BadFile, cut, event
from core.errors import BadDocument, Unauthorized, Unavailable
from core.handover import (
    Accepted,
    Adjusted,
    Counted,
    Declined,
    Event,
    Left,
    NoticePage,
    Recall,
    Withdrawn,
    WorkLine,
    WorkOrder,
)
from core.model import AckState, Address
from tests.connectors.filedrop.depot import FileDepot

AT = "2026-11-02T12:02:00Z"
SHIPMENTS = "work,line,quantity,carrier,tracking,shipped_at"


@pytest.fixture
def depot(tmp_path: Path) -> FileDepot:
    return FileDepot(tmp_path / "drop")


def drop(depot: FileDepot, **keys: Any) -> FileDrop:
    given = {"connector": "filedrop", "folder": str(depot.root), "settle_seconds": 0, "unended_seconds": 0, **keys}
    return FileDrop("depot", FileDrop.Settings(**given))


def work(key: str = "OS-1", **more: Any) -> WorkOrder:
    keys: dict[str, Any] = {
        "key": key,
        "place": "E",
        "order": "#1001",
        "channel": "shop",
        "lines": (WorkLine(number="7", sku="TEE", quantity=2, title="A tee"),),
        "placed_at": datetime(2026, 11, 2, tzinfo=UTC),
        "ship_to": Address(name="Ada", line1="1 Main St", phone="+1 816 555 0100"),
    }
    return WorkOrder(**(keys | more))


def read(warehouse: FileDrop, reasons: bool = True) -> tuple[list[Any], list[str]]:
    """Everything in the folder, taken in: the events, and why the others are none."""
    events, bad = [], []
    for page in warehouse.events(None):
        unread = {}
        for notice in page.notices:
            try:
                events.append(warehouse.normalize(notice.body))
            except BadDocument as error:
                unread[notice.id] = str(error)
                bad.append(str(error))
        warehouse.taken(page, unread if reasons else {})
    return events, bad


def lying(depot: FileDepot, folder: str) -> list[str]:
    return sorted(path.name for path in (depot.root / folder).glob("*"))


# Out.


def written(depot: FileDepot) -> list[dict[str, str]]:
    text = (depot.root / "out/work-OS-1.csv").read_bytes().decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_work_is_one_file_with_a_row_for_each_line(depot: FileDepot) -> None:
    lines = (WorkLine(number="7", sku="TEE", quantity=2), WorkLine(number="8", sku="MUG", quantity=1))
    (ack,) = drop(depot).release([work(lines=lines)])
    assert (ack.state, ack.ticket) == (AckState.ACCEPTED, "work-OS-1.csv")
    rows = written(depot)
    assert [(row["work"], row["line"], row["sku"], row["quantity"]) for row in rows] == [
        ("OS-1", "7", "TEE", "2"),
        ("OS-1", "8", "MUG", "1"),
    ]
    assert rows[0]["phone"] == "+1 816 555 0100"


@pytest.mark.parametrize("died_after", ["part", "note", "rename"])
def test_a_process_that_died_gives_the_file_out_once(depot: FileDepot, died_after: str) -> None:
    warehouse = drop(depot)
    folders, steps = warehouse._folders, []

    class Dies(type(folders)):  # type: ignore[misc]
        def write(self, folder: str, name: str, body: bytes) -> None:
            super().write(folder, name, body)
            self.step("part" if folder == "out" else "note")

        def move(self, *args: str) -> None:
            super().move(*args)
            self.step("rename")

        def step(self, name: str) -> None:
            steps.append(name)
            if name == died_after:
                raise Unavailable("killed", ambiguous=True)

    warehouse._folders = Dies(depot.root)
    with pytest.raises(Unavailable) as died:
        list(warehouse.release([work()]))
    assert died.value.keys == {"OS-1"}
    depot.works()  # the warehouse fetches what lies there, at the worst of times
    (ack,) = drop(depot).release([work()])
    assert ack.state is AckState.ACCEPTED
    assert [one.times for one in depot.works().values()] == [1]
    assert [name for name in lying(depot, "out") if not name.endswith(".part")] == []


def test_a_file_that_is_given_out_and_perhaps_not_for_good_is_in_doubt(
    depot: FileDepot, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = drop(depot)
    sync = warehouse._folders._sync  # type: ignore[attr-defined]

    def fails(path: Any) -> None:
        if lying(depot, "out") == ["work-OS-1.csv"]:
            raise OSError("I/O error")
        sync(path)

    monkeypatch.setattr(warehouse._folders, "_sync", fails)
    with pytest.raises(Unavailable) as raised:
        list(warehouse.release([work()]))
    assert raised.value.ambiguous


def test_no_copy_of_an_address_stays_behind(depot: FileDepot) -> None:
    list(drop(depot).release([work()]))
    depot.works()
    left = b"".join(path.read_bytes() for path in depot.root.rglob("*") if path.is_file())
    assert b"Ada" not in left


@pytest.mark.parametrize("cell", ["=cmd|' /C calc'!A0", "+SUM(A1)", "-2+3+cmd", "@x", "\tx", "\rx"])
def test_what_a_spreadsheet_would_run_is_made_text(depot: FileDepot, cell: str) -> None:
    list(drop(depot).release([work(ship_to=Address(name=cell))]))
    (row,) = written(depot)
    assert row["name"] == f"'{cell}"


@given(st.text())
def test_no_cell_begins_as_a_formula(cell: str) -> None:
    made = safe(cell)
    assert made in (cell, f"'{cell}")
    assert made[:1] not in "=@\t\r" or not made
    assert made[:1] not in "+-" or not any(letter.isalpha() for letter in made)


def test_a_recall_is_a_file_too(depot: FileDepot) -> None:
    list(drop(depot).recall([Recall(key="OS-R1", work="OS-1", place="E", lines={"7": 1}, whole=False)]))
    assert (depot.root / "out/recall-OS-R1.csv").read_text() == (
        "recall,work,place,line,quantity,whole\nOS-R1,OS-1,E,7,1,no\n"
    )


# In.


def test_every_kind_of_file_is_read(depot: FileDepot) -> None:
    depot.upload("shipments", SHIPMENTS, ("OS-1", "7", 2, "UPS", "1Z1", AT), ("OS-1", "8", 1, "UPS", "1Z1", AT))
    depot.upload("stock", "place,sku,quantity,as_of", ("E", "TEE", 8, AT), ("E", "MUG", 0, AT))
    depot.upload("adjustments", "id,place,sku,change,at,reason", ("A1", "E", "TEE", "-2", AT, "broken"))
    depot.upload("answers", "work,answer,at,line,quantity,reason", ("OS-2", "accepted", AT, "", "", ""))
    depot.upload("answers", "work,answer,at,line,quantity,reason", ("OS-3", "short", AT, "9", "1", "empty shelf"))
    depot.upload("recalls", "recall,answer,at", ("OS-R1", "too late", AT))
    (depot.root / "in/zz.json").write_text(f'[{{"id":"J1","type":"accepted","work":"OS-4","at":"{AT}"}}]')
    found, bad = read(drop(depot))
    assert bad == []
    adjusted, accepted, short, recalled, left, counted, json_accepted = sorted(
        found, key=lambda one: ["Adjusted", "Accepted", "Declined", "Withdrawn", "Left", "Counted"].index(
            type(one).__name__) if one.id != "J1" else 9,
    )  # fmt: skip
    noon = datetime(2026, 11, 2, 12, 2, tzinfo=UTC)
    assert isinstance(left, Left)
    assert (left.work, left.at, dict(left.boxes[0].lines)) == ("OS-1", noon, {"7": 2, "8": 1})
    assert isinstance(counted, Counted)
    assert (counted.as_of, dict(counted.units)) == (noon, {"TEE": 8, "MUG": 0})
    assert isinstance(adjusted, Adjusted)
    assert (adjusted.id, adjusted.change, adjusted.reason) == ("adjustments:A1", -2, "broken")
    assert isinstance(accepted, Accepted)
    assert isinstance(short, Declined)
    assert (short.short, dict(short.lines)) == (True, {"9": 1})
    assert isinstance(recalled, Withdrawn)
    assert not recalled.done
    assert json_accepted.work == "OS-4"
    assert lying(depot, "in") == []
    assert len(lying(depot, "done")) == 7


def test_a_file_that_is_still_being_uploaded_waits(depot: FileDepot, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    warehouse = drop(depot, settle_seconds=20)
    depot.upload("answers", "work,answer,at", ("OS-1", "accepted", AT), name="answers-1.csv.part")
    path = depot.upload("answers", "work,answer,at", ("OS-1", "accepted", AT))
    assert read(warehouse) == ([], [])
    now[0] += 15
    path.write_text(path.read_text() + f"OS-2,accepted,{AT}\n")
    assert read(warehouse) == ([], [])
    now[0] += 15
    assert read(warehouse) == ([], [])  # it has changed 15 seconds ago
    now[0] += 6
    found, _ = read(warehouse)
    assert [one.work for one in found] == ["OS-1", "OS-2"]
    assert lying(depot, "in") == ["answers-1.csv.part"]


def _count(at: str, *rows: str) -> str:
    return "\n".join(["as_of,place,sku,quantity", *(f"{at},E,{row}" for row in rows)])


def test_a_file_cut_in_its_last_cell_waits_for_the_rest_of_it(
    depot: FileDepot, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    warehouse = drop(depot, settle_seconds=20, unended_seconds=600)
    path = depot.root / "in" / "stock.csv"
    path.write_text(_count(AT, "MUG,3", "TEE,1"))  # the upload broke off in 12
    for _ in range(10):
        assert read(warehouse) == ([], [])
        now[0] += 50
    path.write_text(_count(AT, "MUG,3", "TEE,12") + "\n")
    assert read(warehouse) == ([], [])
    now[0] += 20
    (found,), bad = read(warehouse)
    assert (found.units, bad) == ({"MUG": 3, "TEE": 12}, [])


@pytest.mark.parametrize(("end", "wait"), [("", 600), ("\n", 20), ("\r\n", 20), ("\r", 20)])
def test_a_file_that_stays_without_a_last_line_end_is_read_in_the_end(
    depot: FileDepot, monkeypatch: pytest.MonkeyPatch, end: str, wait: int
) -> None:
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    warehouse = drop(depot, settle_seconds=20, unended_seconds=600)
    path = depot.root / "in" / "stock.csv"
    path.write_bytes((_count(AT, "TEE,12") + end).encode())
    read_of, reads = warehouse._folders.read, []
    warehouse._folders.read = lambda *given: (reads.append(given), read_of(*given))[1]  # type: ignore[method-assign]
    for before in (0, wait // 2, wait - 1):
        now[0] = 1000.0 + before
        assert read(warehouse) == ([], [])
    now[0] = 1000.0 + wait
    (found,), bad = read(warehouse)
    assert (found.units, bad, lying(depot, "in")) == ({"TEE": 12}, [], [])
    assert len(reads) <= 2, "it is looked into once, and then when it is its time"


def test_a_file_that_grows_while_it_is_read_waits(depot: FileDepot) -> None:
    warehouse = drop(depot)
    path = depot.upload("answers", "work,answer,at", ("OS-1", "accepted", AT))
    look = warehouse._folders.look

    def and_grow(folder: str) -> Any:
        found = look(folder)
        path.write_text(path.read_text() + "OS-2,acc")
        return found

    warehouse._folders.look = and_grow  # type: ignore[method-assign]
    assert read(warehouse) == ([], [])
    assert lying(depot, "in") == [path.name]


def test_a_file_that_grows_before_it_is_put_away_is_read_again(depot: FileDepot) -> None:
    warehouse = drop(depot)
    path = depot.upload("answers", "work,answer,at", ("OS-1", "accepted", AT))
    for page in warehouse.events(None):
        path.write_text(path.read_text() + f"OS-2,accepted,{AT}\n")
        warehouse.taken(page, {})
    assert (lying(depot, "in"), lying(depot, "done")) == ([path.name], [])
    found, _ = read(warehouse)
    assert [one.work for one in found] == ["OS-1", "OS-2"]
    assert (lying(depot, "in"), len(lying(depot, "done"))) == ([], 1)


def test_the_same_rows_are_the_same_event_in_whatever_file_they_come(depot: FileDepot) -> None:
    rows = [("OS-1", "7", 2, "UPS", "1Z1", AT), ("OS-2", "9", 1, "UPS", "1Z2", AT)]
    path = depot.upload("shipments", SHIPMENTS, *rows)
    again = path.with_name("shipments-again.csv")
    again.write_bytes(path.read_bytes())
    more = path.with_name("shipments-more.csv")
    more.write_bytes(path.read_bytes() + f"OS-3,4,1,UPS,1Z3,{AT}\r\n".encode())
    found, _ = read(drop(depot))
    assert len(found) == 7
    assert len({one.id for one in found}) == 3
    assert len(lying(depot, "done")) == 3


def test_two_days_files_of_one_name_are_both_kept(depot: FileDepot) -> None:
    for day in (1, 2):
        depot.upload("stock", "place,sku,quantity,as_of", ("E", "TEE", day, AT), name="stock.csv")
        read(drop(depot))
    assert len(lying(depot, "done")) == 2


def test_what_was_not_taken_in_stays(depot: FileDepot) -> None:
    depot.upload("answers", "work,answer,at", *((f"OS-{n}", "accepted", AT) for n in range(120)))
    warehouse = drop(depot)
    pages: list[NoticePage] = list(warehouse.events(None))
    assert [len(page.notices) for page in pages] == [50, 50, 20]
    warehouse = drop(depot)
    for page, _ in zip(warehouse.events(None), range(2), strict=False):
        warehouse.taken(page, {})
    assert len(lying(depot, "in")) == 1
    assert len(read(drop(depot))[0]) == 120
    assert (lying(depot, "in"), len(lying(depot, "done"))) == ([], 1)


def test_files_that_are_left_for_now_are_named(depot: FileDepot) -> None:
    warehouse = drop(depot, settle_seconds=3, unended_seconds=7)
    assert (read(warehouse), warehouse.waits()) == (([], []), "")
    for nth in range(5):
        depot.upload("answers", "work,answer,at", ("OS-1", "accepted", AT), name=f"answers-{nth}.csv")
    (depot.root / "in" / "answers-9.csv.part").write_text("on its way")
    assert read(warehouse) == ([], [])
    assert warehouse.waits().startswith("not read yet: answers-0.csv, answers-1.csv, answers-2.csv and 2 more; ")
    assert "not changed for 3 s, or 7 s where" in warehouse.waits()
    for path in (depot.root / "in").iterdir():
        path.unlink()
    assert (read(warehouse), warehouse.waits()) == (([], []), "")
    patient = drop(depot, unended_seconds=7)
    (depot.root / "in" / "cut.csv").write_text("work,answer,at")
    assert read(patient) == ([], [])
    assert patient.waits().startswith("not read yet: cut.csv; ")


def test_each_notice_says_in_which_file_and_line_it_stands(depot: FileDepot) -> None:
    parcel = ("OS-1", "7", 1, "UPS", "1Z1", AT)
    rows = [("OS-2", "9", 1, "UPS", f"1Z{n}", AT) for n in range(9)]
    depot.upload("shipments", SHIPMENTS, parcel, *rows[:1], parcel, name="shipments.csv")
    depot.upload("stock", "place,sku,quantity,as_of", *(("E", f"S{n}", 1, AT) for n in range(9)), name="stock.csv")
    depot.upload("answers", "", name="answers.csv")
    (depot.root / "in" / "events.json").write_text('[{"id": "1", "type": "accepted"}]')
    sources = {notice.source for page in drop(depot).events(None) for notice in page.notices}
    assert sources == {
        "shipments.csv, lines 2, 4", "shipments.csv, line 3", "stock.csv, lines 2, 3, 4, 5, 6 …", "answers.csv",
        "events.json",
    }  # fmt: skip
    read(drop(depot))
    (failed,) = (name for name in lying(depot, "failed") if name.startswith("answers") and name.endswith(".txt"))
    assert (depot.root / "failed" / failed).read_text() == "the file: it is empty\n"


def test_a_row_that_is_refused_is_told_by_its_line_and_keeps_no_other(depot: FileDepot) -> None:
    depot.upload(
        "shipments", SHIPMENTS,
        ("OS-1", "7", "1E+05", "UPS", "1Z1", AT),
        ("OS-2", "9", 1, "UPS", "1Z2", AT),
        ("OS-3", "9", "", "UPS", "1Z3", AT),
        name="shipments.csv",
    )  # fmt: skip
    found, bad = read(drop(depot))
    assert [one.work for one in found] == ["OS-2"]
    assert len(bad) == 2
    kept, reason = lying(depot, "failed")
    assert reason == f"{kept}.reason.txt"
    told = (depot.root / "failed" / reason).read_text().splitlines()
    assert told[0].startswith("line 2: quantity: '1E+05' is what a spreadsheet makes of a long number")
    assert told[1] == "line 4: quantity: an empty cell is not 0"


@pytest.mark.parametrize(
    ("cell", "told"),
    [("1E+05", "spreadsheet"), ("1,5", "no whole number"), ("12.0", "no whole number"), ("-1", "no whole number"),
     ("", "an empty cell is not 0"), ("many", "no whole number"), ("99999999999", "no whole number"),
     ("4294967296", "no whole number")],
)  # fmt: skip
def test_a_bad_row_of_a_count_is_not_counted_and_not_nought(depot: FileDepot, cell: str, told: str) -> None:
    depot.upload("stock", "place,sku,quantity,as_of", ("E", "TEE", cell, AT), ("E", "MUG", "0012", AT))
    (counted,), (reason,) = read(drop(depot))
    assert dict(counted.units) == {"MUG": 12}
    assert told in reason


def test_a_sku_counted_twice_is_not_counted(depot: FileDepot) -> None:
    depot.upload("stock", "place,sku,quantity,as_of", ("E", "TEE", 1, AT), ("E", "TEE", 2, AT), ("E", "MUG", 3, AT))
    (counted,), bad = read(drop(depot))
    assert dict(counted.units) == {"MUG": 3}
    assert all("TEE stands 2 times" in one for one in bad)


@pytest.mark.parametrize("tracking", ["9.4E+21", "9,40011E+21", "940011189922000000000"])
def test_a_tracking_number_that_a_spreadsheet_has_rounded_is_refused(depot: FileDepot, tracking: str) -> None:
    depot.upload("shipments", SHIPMENTS, ("OS-1", "7", 1, "USPS", tracking, AT))
    found, (reason,) = read(drop(depot))
    assert found == []
    assert "spreadsheet" in reason


def test_a_bom_semicolons_and_other_columns_are_no_trouble(depot: FileDepot) -> None:
    path = depot.root / "in/Stock_1.CSV"
    path.write_bytes("\ufeffPLACE;Bin;sku;Quantity;as_of\r\nE;B7;TEE;8;2026-11-02T12:02:00Z\r\n".encode())
    (counted,), bad = read(drop(depot))
    assert (dict(counted.units), bad) == ({"TEE": 8}, [])


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "it is empty"),
        (b"sku,quantity\nTEE,1\n", "must name the columns"),
        ("place,sku,quantity,as_of\nE,T\xe9E,1,x\n".encode("latin-1"), "not UTF-8"),
        (b'place,sku,quantity,as_of\nE,"TEE,1', "uploaded whole"),
        (b"place,sku,sku,quantity,as_of\n", "stands twice"),
    ],
)
def test_a_file_that_is_none_fails_with_its_reason(depot: FileDepot, body: bytes, told: str) -> None:
    (depot.root / "in/stock.csv").write_bytes(body)
    found, (reason,) = read(drop(depot))
    assert found == []
    assert told in reason
    assert told in (depot.root / "failed" / lying(depot, "failed")[1]).read_text()


def test_a_file_whose_name_says_nothing_fails(depot: FileDepot) -> None:
    (depot.root / "in/report.csv").write_text("a,b\n1,2\n")
    assert "its name does not say what it holds" in read(drop(depot))[1][0]


def test_a_row_that_breaks_off_is_refused(depot: FileDepot) -> None:
    (depot.root / "in/answers.csv").write_text(f"work,answer,at\nOS-1,accepted,{AT}\nOS-2,acc")
    (accepted,), (reason,) = read(drop(depot))
    assert accepted.work == "OS-1"
    assert "it has 2 cells, the first line 3" in reason


def test_an_instant_needs_its_zone(depot: FileDepot) -> None:
    depot.upload("answers", "work,answer,at", ("OS-1", "accepted", "2026-11-02 12:02"))
    assert "has no time zone" in read(drop(depot))[1][0]
    depot.upload("answers", "work,answer,at", ("OS-1", "accepted", "2026-11-02 12:02"))
    depot.upload("answers", "work,answer,at", ("OS-1", "accepted", "2026-11-01 01:30"))
    (accepted,), (reason,) = read(drop(depot, time_zone="America/New_York"))
    assert accepted.at == datetime(2026, 11, 2, 17, 2, tzinfo=UTC)
    assert "twice or never" in reason


@pytest.mark.parametrize("day", ["2026-11-02", "20261102", "2026-W45-1"])
def test_a_day_is_no_instant(depot: FileDepot, day: str) -> None:
    """What left that day would be before the count and after it at once."""
    depot.upload("stock", "place,sku,quantity,as_of", ("E", "TEE", 5, day))
    (reason,) = read(drop(depot, time_zone="America/New_York"))[1]
    assert "is a day and no instant" in reason


def test_a_folder_that_is_gone_is_an_outage_and_not_an_empty_one(depot: FileDepot) -> None:
    depot.root.rename(depot.root.with_name("gone"))
    with pytest.raises(Unavailable):
        list(drop(depot).events(None))
    with pytest.raises(Unavailable):
        list(drop(depot).release([work()]))


@given(st.binary(max_size=300))
def test_any_bytes_are_documents_or_a_bad_file(body: bytes) -> None:
    for kind in ("shipments", "stock", "adjustments", "answers", "recalls"):
        try:
            found = cut(kind, body, UTC)
        except BadFile:
            continue
        for one in found:
            try:
                told = event(one.document, UTC)
            except BadDocument:
                continue
            assert isinstance(told, get_args(Event))


_CELLS = st.text(st.sampled_from('0123456789E+.,-" \n=AZ;é\r'), max_size=12)


@given(st.lists(st.tuples(_CELLS, _CELLS, _CELLS), max_size=6))
def test_every_row_of_a_count_is_counted_as_it_stands_or_refused(rows: list[tuple[str, str, str]]) -> None:
    """No row is lost, and no quantity is anything but what the cell says in digits."""
    out = io.StringIO()
    csv.writer(out).writerows([("place", "sku", "quantity", "as_of"), *((*row, AT) for row in rows)])
    found = cut("stock", out.getvalue().encode(), None)
    cells = [cells for one in found for cells in one.document.rows]
    clean = [tuple(cell.replace("\r\n", "\n").replace("\r", "\n").strip() for cell in row) for row in rows]
    assert sorted((one["place"], one["sku"], one["quantity"]) for one in cells) == sorted(clean)
    for one in found:
        try:
            counted = event(one.document, None)
        except BadDocument:
            continue
        assert isinstance(counted, Counted)
        for row in one.document.rows:
            assert counted.units[row["sku"]] == int(row["quantity"])


def test_what_may_not_be_read_is_for_a_person(depot: FileDepot, monkeypatch: pytest.MonkeyPatch) -> None:
    def shut(path: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.scandir", shut)
    with pytest.raises(Unauthorized, match="let the user of ordersync read and write there"):
        list(drop(depot).events(None))


def test_a_folder_that_is_not_there_is_named_with_what_to_do(depot: FileDepot) -> None:
    with pytest.raises(Unavailable, match=r"^/\S+/dorp/in: no such folder; make it, mount the share"):
        read(drop(depot, folder=str(depot.root.parent / "dorp")))


def test_a_share_that_is_not_mounted_is_given_nothing(depot: FileDepot) -> None:
    depot.root.rename(depot.root.with_name("away"))
    depot.root.mkdir()  # where the share would be mounted
    for step in (lambda: read(drop(depot)), lambda: list(drop(depot).release([work()]))):
        with pytest.raises(Unavailable, match="no such folder") as found:
            step()
        assert not found.value.ambiguous
    assert list(depot.root.iterdir()) == []
    depot.root.rmdir()
    depot.root.with_name("away").rename(depot.root)
    assert next(iter(drop(depot).release([work()]))).state is AckState.ACCEPTED
    assert sorted(depot.works()) == ["OS-1"]
