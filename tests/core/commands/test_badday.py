"""A fault plan file: read strictly, and played phase by phase."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from connectors.simulation import Fault
from core.commands import badday
from core.connector import SIMULATORS, find_simulator, names
from core.errors import UserError
from core.settings import ConfigError
from tests.core.commands.desk import Desk

BLACK_FRIDAY = Path(__file__).parents[3] / "fixtures" / "faults" / "blackfriday.toml"
KNOWN = tuple(Fault)


class Stage:
    """A far end that writes down what is done to it, and the passing of time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.suffered: list[tuple[float, dict[str, float]]] = []
        self.orders: list[float] = []
        self.ends = float("inf")

    def suffer(self, rates: Mapping[str, float]) -> None:
        self.suffered.append((self.now, dict(rates)))

    def let_buyers_order(self, count: int = 1) -> list[str]:
        self.orders += [self.now] * count
        return []

    def wait(self, seconds: float | None) -> bool:
        self.now = self.ends if seconds is None else min(self.ends, self.now + seconds)
        return self.now >= self.ends


def planned(tmp_path: Path, text: str) -> badday.BadDay:
    path = tmp_path / "day.toml"
    path.write_text(text)
    return badday.read(path, KNOWN, ("shop", "amazon"))


TWO = """
[[phase]]
name = "rush"
minutes = 1
orders_a_minute = 4
faults = { throttle = 0.5 }
channels.amazon = { html_503 = 1.0 }
[[phase]]
minutes = 2
"""


def test_each_phase_has_its_faults_its_orders_and_its_length(tmp_path: Path) -> None:
    shop, amazon, told = Stage(), Stage(), list[str]()
    amazon.wait = shop.wait  # type: ignore[method-assign]
    shop.ends = 500
    badday.play(planned(tmp_path, TWO), {"shop": shop, "amazon": amazon}, shop.wait, told.append)
    assert shop.suffered == [(0, {"throttle": 0.5}), (60, {}), (180, {})]
    assert [rates for _, rates in amazon.suffered] == [{"html_503": 1.0}, {}, {}]
    assert shop.orders == [15, 30, 45, 60]
    assert told == ["phase 1 of 2: rush, 1 min", "phase 2 of 2, 2 min", "the plan is over; no more faults"]


def test_asked_to_end_it_ends_within_the_phase(tmp_path: Path) -> None:
    shop = Stage()
    shop.ends = 20
    badday.play(planned(tmp_path, TWO), {"shop": shop}, shop.wait, lambda line: None)
    assert (shop.now, shop.orders) == (20, [15])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[phase]]\nfaults = { throtle = 0.1 }\n", "no fault is called 'throtle'; did you mean `throttle`?"),
        ("[[phase]]\nfaults = { throttle = 1.5 }\n", "too large; write at most 1.0"),
        ("[[phase]]\nchannels.walmart = { throttle = 0.1 }\n", "no simulated channel is called 'walmart'"),
        ("[[phase]]\n[[phase]]\n", "phase 1 never ends"),
        ("seed = 1\n", "phase"),
        ("[[phase]]\nminuts = 1\n", "minutes"),
        ("[[phase\n", "not valid TOML"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError) as raised:
        planned(tmp_path, text)
    (line,) = str(raised.value).splitlines()
    assert line.startswith("day.toml")
    assert told in line


def test_no_such_file_says_what_may_stand_there(desk: Desk) -> None:
    ran = desk.run("simulate", "walmart", "--faults", "nowhere.toml")
    assert (ran.code, ran.told) == (
        2, "ordersync: nowhere.toml cannot be read (No such file or directory); name a fault plan file or a seed",
    )  # fmt: skip


def test_a_plan_says_how_many_orders_are_placed(desk: Desk) -> None:
    ran = desk.run("simulate", *names(SIMULATORS), "--rate", "5", "--faults", str(BLACK_FRIDAY))
    assert ran.code == 2
    assert "leave out --rate" in ran.told


def test_the_example_is_a_plan_every_simulator_can_follow() -> None:
    served = names(SIMULATORS)
    plan = badday.read(BLACK_FRIDAY, KNOWN, served)
    for name in served:
        far_end = find_simulator(name).furnished(name)
        for phase in plan.phase:
            far_end.suffer(phase.rates(name))
            assert {str(fault): rate for fault, rate in far_end.faults.rates.items()} == dict(phase.rates(name))


def test_an_unreadable_plan_is_no_traceback(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        badday.read(tmp_path, KNOWN, ())
