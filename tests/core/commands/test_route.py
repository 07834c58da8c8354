"""`route`, `location` and `stock traits` at an operator's desk."""

from __future__ import annotations

from connectors.sandbox import FarEnd
from tests.core.commands.desk import Desk

WINDOW = ("--from", "2020-01-01", "--to", "2040-01-01")


def test_what_waits_for_a_location_is_listed_by_reason(desk: Desk, shop: FarEnd) -> None:
    desk.ok("stock", "traits", "TEE", "--needs", "hazmat", "--weight", 250)
    number = shop.place([("TEE", 2)])
    desk.ok("round")
    told = desk.ok("route")
    (waits,) = told["waiting"]
    assert (waits["number"], waits["reason"], waits["units"]) == (number, "capability", 2)
    assert waits["why"] == "east: lacks hazmat; west: lacks hazmat"
    assert told["reasons"] == {"capability": 1}
    assert "1 order waits for a location: 1 capability" in desk.run("route").out
    assert desk.run("stock", "traits", "TEE", "--needs", "hazmat").out == (
        "nothing changed; that is how it was already\n"
    )
    desk.ok("stock", "traits", "TEE", "--needs-nothing")
    desk.ok("round")
    assert desk.run("route").out == "0 orders wait for a location\n"


def test_every_reason_why_nobody_can_send_it_is_told_once(desk: Desk, shop: FarEnd) -> None:
    places = ("east", "west", "north", "south")
    desk.write("locations.toml", "".join(f'[[locations]]\nname = "{name}"\nserves = ["CA"]\n' for name in places))
    desk.channel(locations='{ east = "", west = "", north = "", south = "" }')
    desk.ok("location", "pause", "west", "--why", "stock take")
    desk.ok("location", "pause", "south", "--why", "flood")
    shop.place([("TEE", 1)])
    desk.ok("round")
    (waits,) = desk.ok("route")["waiting"]
    assert (waits["reason"], waits["why"]) == ("country", "east: does not serve US; north: does not serve US")
    assert waits["besides"] == ["south: paused: flood", "west: paused: stock take"]
    _, first, *more, total = desk.run("route").out.splitlines()
    assert first.split()[0] == "1"
    assert [line.strip() for line in more] == waits["besides"]
    assert total == "1 order waits for a location: 1 country"


def test_traits_of_many_come_from_a_file_all_or_none(desk: Desk, shop: FarEnd) -> None:
    file = desk.folder / "traits.csv"
    file.write_text("sku,needs,weight\nTEE,cold hazmat,300\nMUG,,450\n")
    assert desk.ok("stock", "traits", "--file", str(file)) == {"changed": 2}
    assert [tuple(row) for row in desk.rows("SELECT sku, needs, weight FROM items ORDER BY sku")] == [
        ("MUG", "", 450),
        ("TEE", "cold hazmat", 300),
    ]
    for text, told in (
        ("sku,weight\nTEE,1\nCUP,1\n", "there is no item 'CUP'"),
        ("sku,weight\nTEE,heavy\n", "traits.csv:2: 'heavy' is no weight in whole grams"),
        ("sku,needs\nTEE,Hot!\n", "TEE: 'Hot!' is no capability"),
        ("sku,needs\nTEE,a\nTEE,b\n", "traits.csv:3: TEE stands twice"),
        ("item\nTEE\n", "has no column sku"),
    ):
        file.write_text(text)
        ran = desk.run("stock", "traits", "--file", str(file))
        assert (ran.code, ran.out) == (2, "")
        assert told in ran.told
    assert desk.rows("SELECT weight FROM items WHERE sku = 'TEE'")[0][0] == 300
    desk.ok("stock", "kit", "SET", "TEE=1", "MUG=1")
    assert "SET is a kit" in desk.run("stock", "traits", "SET", "--weight", 1).told
    assert desk.run("stock", "traits", "TEE").code == 2


def test_a_paused_location_is_told_and_resumed(desk: Desk, shop: FarEnd) -> None:
    assert desk.ok("location", "pause", "east", "--why", "stock take") == {"changed": True}
    assert desk.run("location", "pause", "east", "--why", "stock take").out.startswith("nothing changed")
    number = shop.place([("TEE", 1)])
    desk.ok("round")
    assert desk.ok("order", number)["waiting"]["why"][-1] == "east was left out: paused: stock take"
    rows = {row["location"]: row for row in desk.ok("location", "list")["locations"]}
    assert (rows["east"]["state"], rows["east"]["paused"], rows["west"]["state"]) == ("paused", "stock take", "active")
    assert "paused" in desk.run("location", "list").out
    desk.ok("location", "resume", "east")
    desk.ok("round")
    assert desk.ok("order", number)["fulfilment"][0]["location"] == "east"
    rows = {row["location"]: row for row in desk.ok("location", "list")["locations"]}
    assert (rows["east"]["state"], rows["east"]["orders"]) == ("active", 1)
    assert "there is no location 'moon'" in desk.run("location", "pause", "moon", "--why", "far").told
    assert desk.run("verify").code == 0


def test_other_rules_are_tried_and_told_beside_those_in_force(desk: Desk, shop: FarEnd) -> None:
    desk.ok("stock", "receive", "TEE", "west", 4)
    numbers = [shop.place([("TEE", 2)]), shop.place([("TEE", 11)])]
    desk.ok("round")
    rules = desk.folder / "rules.toml"
    rules.write_text('rank = ["cost"]\nsplit = false\n[costs]\nany = { parcel = 5 }\n')
    told = desk.ok("route", "--what-if", str(rules), *WINDOW, "--orders")
    assert (told["now"]["orders"], told["now"]["parcels"], told["now"]["filled_units"]) == (2, 3, 13)
    assert (told["what_if"]["cost"], told["what_if"]["waits"]) == ("5.00", {"split": 1})
    assert told["differing"] == 1
    assert [one["now"]["name"] for one in told["orders"]] == [f"#{numbers[1][2:]}"]
    out = desk.run("route", "--what-if", str(rules), *WINDOW, "--orders").out
    assert "2 orders replayed" in out
    assert "1 order would have gone otherwise" in out
    assert "unit fill rate" in out
    places = desk.folder / "places.toml"
    places.write_text('[[locations]]\nname = "east"\n[[locations]]\nname = "west"\npriority = 1\n')
    moved = desk.ok("route", "--what-if", str(rules), "--locations", str(places), *WINDOW)
    assert moved["what_if"]["parcels"] == 1


def test_what_cannot_be_replayed_is_exit_2_and_one_line(desk: Desk, shop: FarEnd) -> None:
    rules = desk.folder / "rules.toml"
    rules.write_text("rank = []\n")
    bad = desk.run("route", "--what-if", str(rules), *WINDOW)
    assert (bad.code, bad.out) == (2, "")
    assert "rules.toml: rank" in bad.told
    rules.write_text("split = true\n")
    places = desk.folder / "places.toml"
    places.write_text('[[locations]]\nname = "east"\n')
    for words, told in (
        (("--what-if", str(rules)), "--from TIME and --to TIME"),
        (("--from", "2026-01-01"), "go with --what-if"),
        (("--what-if", str(rules), "--from", "2026-01-02", "--to", "2026-01-01"), "is not before"),
        (("--what-if", "no.toml", *WINDOW), "no.toml cannot be read"),
        (("--what-if", str(rules), "--locations", str(places), *WINDOW), "places.toml lacks west"),
    ):
        ran = desk.run("route", *words)
        assert (ran.code, ran.out) == (2, "")
        assert told in ran.told
