"""`ordersync metrics`: each number with its definition, by whatever it is asked, and what stands behind it."""

from __future__ import annotations

import csv
import io
import re
import sys
from pathlib import Path

import pytest

from connectors.sandbox import FarEnd
from core.metrics import LIMITS, METRICS
from tests.core.commands.desk import Desk

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"


@pytest.fixture
def traded(desk: Desk, shop: FarEnd) -> Desk:
    """Two orders: one shipped whole, one that got one mug of three."""
    shop.place([("TEE", 2)])
    shop.place([("MUG", 3), ("TEE", 1)])
    desk.ok("round")
    ids = sorted(one["id"] for one in desk.ok("orders")["orders"])
    desk.ok("ship", ids[0], "--location", "east", "--carrier", "UPS", "--tracking", "1Z1")
    desk.ok("stock", "cost", "TEE", "4.50", "USD")
    return desk


def values(desk: Desk, *words: str) -> dict[str, object]:
    return {one["metric"]: one["value"] for one in desk.ok("metrics", *words)["metrics"]}


def test_all_of_them_each_with_its_definition(traded: Desk) -> None:
    told = traded.ok("metrics")
    assert [one["metric"] for one in told["metrics"]] == [metric.name for metric in METRICS]
    assert all(one["definition"] for one in told["metrics"])
    found = values(traded)
    assert found["unit_fill_first"] == pytest.approx(4 / 6, abs=1e-6)
    assert found["order_fill_first"] == 0.5
    assert (found["sell_through_stock"], found["turnover"]) == (pytest.approx(2 / 11, abs=1e-6), 0.25)
    assert (found["late_rate"], found["stock_out_items"]) == (None, 0)
    lines = traded.run("metrics").out.splitlines()
    assert any(line.startswith("weeks_of_supply") and "units sold in a week" in line for line in lines)
    assert not re.search(r"\b(inf|nan|infinity|∞)\b", " ".join(lines).lower())


def test_by_channel_beside_the_marketplaces_limits(traded: Desk) -> None:
    traded.change("UPDATE channels SET connector = 'amazon'")
    (order,) = [one for one in traded.ok("orders")["orders"] if one["status"] != "shipped"]
    traded.ok("cancel", order["id"], "--reason", "out_of_stock")
    (one,) = traded.ok("metrics", "--by", "channel", "--metric", "cancel_rate")["metrics"]
    assert (one["channel"], one["value"], "limit" in one) == ("shop", 0.5, False)  # the sandbox asks for nothing


def test_by_item_location_and_time(traded: Desk) -> None:
    items = traded.ok("metrics", "--by", "item", "--metric", "weeks_of_supply")["metrics"]
    assert [(one["item"], one["said"]) for one in items] == [("MUG", "no sales"), ("TEE", "0.57 weeks")]
    assert [one["value"] for one in items] == [None, pytest.approx(4 / 7, abs=1e-6)]
    places = traded.ok("metrics", "--by", "location", "--metric", "time_to_ship_p50")["metrics"]
    assert [one["location"] for one in places if one["value"] is not None] == ["east"]
    days = traded.ok("metrics", "--by", "month", "--metric", "parcels_per_order")["metrics"]
    assert [one["value"] for one in days] == [1]


def test_what_cannot_be_broken_down_so_is_a_mistake_of_one_line(traded: Desk) -> None:
    for words in (
        ("--by", "location", "--metric", "late_rate"),
        ("--channel", "shop", "--metric", "turnover"),
        ("--metric", "nonsense"),
        ("--channel", "nonsense"),
        ("--json", "--csv"),
        ("--from", "2026-02-01", "--to", "2026-01-01"),
        ("--chart", "picture.gif"),
    ):
        ran = traded.run("metrics", *words)
        assert ran.code == 2, words
        assert ran.told


def test_csv_holds_no_formula(traded: Desk) -> None:
    traded.ok("stock", "receive", "=1+1", "east", 3)
    out = traded.run("metrics", "--by", "item", "--csv").out
    rows = list(csv.DictReader(io.StringIO(out)))
    assert {row["item"] for row in rows} == {"TEE", "MUG", "'=1+1"}
    assert rows[0].keys() == {"from", "to", "item", "metric", "value", "unit", "definition"}
    (row,) = [row for row in rows if (row["item"], row["metric"]) == ("TEE", "unit_fill_first")]
    assert (row["value"], row["unit"]) == ("1", "share")


def test_what_stands_behind_a_number(traded: Desk) -> None:
    (row,) = traded.ok("metrics", "explain", "unit_fill_first")["rows"]
    assert (row["SKU"], row["asked"], row["got"], row["backordered"]) == ("MUG", 3, 1, 2)
    (parcel,) = traded.ok("metrics", "explain", "time_to_ship_p90")["rows"]
    assert (parcel["tracking"], parcel["location"], parcel["left_at"][-1]) == ("1Z1", "east", "Z")
    (move,) = traded.ok("metrics", "explain", "turnover")["rows"]
    assert (move["SKU"], move["units"], move["kind"]) == ("TEE", -2, "ship")
    assert "MUG" in traded.run("metrics", "explain", "line_fill_later").out


def test_every_metric_can_be_explained(traded: Desk) -> None:
    for metric in METRICS:
        told = traded.ok("metrics", "explain", metric.name)
        assert told["definition"] == metric.formula
        assert told["listed"] in traded.run("metrics", "explain", metric.name).out
        assert " of the same " not in metric.formula, "a definition is read alone"


def test_the_longest_windows_stand_behind_the_oversell_window(traded: Desk) -> None:
    traded.change("DELETE FROM facts_windows")
    for quarter, seconds, levels in ((1_983_800, 7, 2), (1_983_801, 90, 1), (1_983_700, 500, 1)):
        traded.change(
            "INSERT INTO facts_windows (quarter, channel_id, seconds, levels)"
            " SELECT :quarter, id, :seconds, :levels FROM channels WHERE name = 'shop'",
            quarter=quarter, seconds=seconds, levels=levels,
        )  # fmt: skip
    days = ("--from", "2026-07-30", "--to", "2026-07-30")
    told = {"channel": "shop", "seconds": 90, "levels": 1}
    longest = {**told, "from_at": "2026-07-30T14:15:00Z", "until_at": "2026-07-30T14:30:00Z"}
    (first, second) = traded.ok("metrics", "explain", "oversell_window_p99", *days)["rows"]
    assert first == longest
    assert (second["seconds"], second["levels"]) == (7, 2)
    assert traded.ok("metrics", "explain", "oversell_window_p50", *days, "--limit", 1)["rows"] == [first]


def test_late_cancelled_and_split_orders_stand_behind_their_rates(traded: Desk) -> None:
    day = 86_400_000_000
    traded.change("UPDATE orders SET ship_by = placed_at - :day", day=day)
    traded.change("INSERT INTO audit (at, actor, order_id, event) SELECT 1, 'x', id, 'x' FROM orders")
    (whole, part) = sorted(one["id"] for one in traded.ok("orders")["orders"])
    late = traded.ok("metrics", "explain", "late_rate")["rows"]
    assert {row["id"]: row["not left"] for row in late} == {whole: 0, part: 4}
    assert values(traded)["late_rate"] == 1
    traded.ok("ship", part, "--location", "west", "--carrier", "UPS", "--tracking", "1Z2", "--line", "MUG=1")
    traded.ok("ship", part, "--location", "east", "--carrier", "UPS", "--tracking", "1Z3", "--line", "TEE=1")
    traded.ok("cancel", part, "--reason", "out_of_stock")
    assert [row["id"] for row in traded.ok("metrics", "explain", "cancel_rate")["rows"]] == [part]
    (split,) = traded.ok("metrics", "explain", "parcels_per_order")["rows"]
    assert (
        "listed are orders that left in more than one parcel\n"
        in traded.run("metrics", "explain", "parcels_per_order").out
    )
    assert (split["id"], split["parcels"]) == (part, 2)


def test_a_chart_is_drawn_and_the_same_numbers_are_the_same_file(traded: Desk, tmp_path: Path) -> None:
    svg, again, png = (tmp_path / name for name in ("a.svg", "b.svg", "c.png"))
    for file in (svg, again):
        traded.ok("metrics", "--by", "day", "--metric", "unit_fill_first", "--chart", str(file))
    assert b"<svg" in svg.read_bytes()[:1000]
    assert svg.read_bytes() == again.read_bytes()
    traded.ok("metrics", "--by", "item", "--metric", "unit_turnover", "--chart", str(png))
    assert png.read_bytes().startswith(b"\x89PNG")
    ran = traded.run("metrics", "--metric", "late_rate", "--chart", str(png))
    assert (ran.code, "nothing to draw" in ran.told) == (2, True)
    ran = traded.run("metrics", "--by", "day", "--chart", str(tmp_path / "none" / "f.svg"))
    assert ran.code == 2
    assert ran.told.endswith("f.svg cannot be written: No such file or directory; name a file in a folder that can")


def test_without_matplotlib_a_chart_says_what_to_install(traded: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    ran = traded.run("metrics", "--chart", "a.svg")
    assert (ran.code, "ordersync[charts]" in ran.told) == (2, True)


def test_days_are_those_of_the_configured_zone(traded: Desk) -> None:
    traded.write("ordersync.toml", '[metrics]\ntime_zone = "Nowhere/Land"\n')
    assert traded.run("metrics").code == 2
    traded.write("ordersync.toml", '[metrics]\ntime_zone = "Asia/Tokyo"\n')
    told = traded.ok("metrics", "--rebuild")
    assert told["time_zone"] == "Asia/Tokyo"
    assert values(traded)["order_fill_first"] == 0.5


def test_costs_are_said_one_by_one_or_by_file(desk: Desk, shop: FarEnd, tmp_path: Path) -> None:
    file = tmp_path / "costs.csv"
    file.write_text("sku,cost,currency\nTEE,4.5,USD\nMUG,0.333333,USD\n")
    assert len(desk.ok("stock", "cost", "--file", str(file))["items"]) == 2
    assert [tuple(row) for row in desk.rows("SELECT sku, cost, currency FROM items ORDER BY sku")] == [
        ("MUG", 333_333, "USD"), ("TEE", 4_500_000, "USD"),
    ]  # fmt: skip
    for words in (
        ("TEE", "x", "USD"), ("TEE", "-1", "USD"), ("TEE", "NaN", "USD"), ("TEE", "0.0000001", "USD"),
        ("TEE", "1", "usd"), ("NONE", "1", "USD"), ("TEE", "1"), (), ("--file", str(tmp_path / "none.csv")),
    ):  # fmt: skip
        ran = desk.run("stock", "cost", *words)
        assert (ran.code, bool(ran.told)) == (2, True), words
    file.write_text("sku,cost,currency\nTEE,9,USD\nMUG,much,USD\n")
    assert "costs.csv:3: " in desk.run("stock", "cost", "--file", str(file)).told
    assert desk.rows("SELECT cost FROM items WHERE sku = 'TEE'")[0].cost == 4_500_000


def test_every_metric_and_every_limit_is_documented() -> None:
    text = PAGE.read_text()
    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) == [metric.name for metric in METRICS]
    for limit in LIMITS:
        assert f"| {limit.connector} | `{limit.metric}` | {'<' if limit.strict else '≤'} " in text
    for metric in METRICS:
        row = next(line for line in text.splitlines() if line.startswith(f"| `{metric.name}` |"))
        assert " ".join(metric.formula.split()) in row
