"""An order whose document no connector has read before: set aside while the rest flows, and read once it is mended.

The simulators' own APIs on real sockets, the real connectors, and the commands an operator would use.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from connectors.simulation import SimulatedLine, SimulatedOrder, Simulator
from core.commands.app import build
from core.commands.rehearsal import Rehearsal
from core.connector import SIMULATORS, names
from core.settings import load
from core.sync.round import Outcome
from core.sync.turn import turn
from core.sync.work import due_now

pytestmark = pytest.mark.strays("orders are written in a way that the spec does not know, either")

PATIENCE = 60.0


class Account:
    """One simulated account with a store beside it, worked on turn by turn."""

    def __init__(self, play: Rehearsal, name: str) -> None:
        self.play, self.name = play, name
        self.far_end: Simulator = play.channels[name]

    def buy(self, *, unreadable: bool = False) -> str:
        with self.far_end.lock:  # nobody reads it between the two
            number = self.far_end.place(SimulatedOrder(lines=(SimulatedLine(sku="TEE-RED-M", quantity=2),)))
            if unreadable:
                self.far_end.drift(number)
        return number

    def turn(self) -> Outcome:
        assert self.play.store is not None
        due_now(self.play.store, self.name)
        outcome = turn(self.play.store, load(self.play.config, self.play.environ), self.name)
        assert isinstance(outcome, Outcome), outcome
        return outcome

    def until(self, stored: set[str], aside: dict[str, str]) -> None:
        """Turns until these orders are stored and these documents there; a channel shows its newest orders late."""
        ends = time.monotonic() + PATIENCE
        while (found := (self.stored(), self.aside())) != (stored, aside):
            assert time.monotonic() < ends, found
            self.turn()

    def stored(self) -> set[str]:
        return {row.number for row in self.rows("SELECT number FROM orders")}

    def aside(self) -> dict[str, str]:
        return {row.number: row.state for row in self.rows("SELECT number, state FROM quarantine")}

    def rows(self, sql: str) -> Any:
        assert self.play.store is not None
        with self.play.store.read() as tx:
            return tx.rows(sql)

    def command(self, *args: str) -> tuple[int, str]:
        ran = CliRunner(env=self.play.environ).invoke(build(), [*args, "--config", str(self.play.config)])
        return ran.exit_code, ran.output


@pytest.fixture(params=names(SIMULATORS))
def account(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Account]:
    play = Rehearsal(tmp_path, seed=3, channels=[request.param])
    play.open()
    yield Account(play, request.param)
    play.close()


def test_an_order_nobody_can_read_waits_alone_and_resolves_itself_once_it_is_mended(account: Account) -> None:
    before, drifted, after = account.buy(), account.buy(unreadable=True), account.buy()
    account.until({before, after}, {drifted: "open"})
    (row,) = account.rows("SELECT reason FROM quarantine")
    assert row.reason
    assert "2" not in row.reason.replace("[0]", ""), "a reason names the place, never what stands there"
    later = account.buy()
    account.until({before, after, later}, {drifted: "open"})
    account.far_end.mend(drifted)
    account.until({before, drifted, after, later}, {drifted: "resolved"})
    (line,) = account.rows("SELECT reserved FROM lines l JOIN orders o ON o.id = l.order_id ORDER BY o.id DESC LIMIT 1")
    assert line.reserved == 2


def test_an_operator_may_look_again_at_once(account: Account) -> None:
    drifted = account.buy(unreadable=True)
    account.until(set(), {drifted: "open"})
    code, out = account.command("quarantine", "retry")
    assert (code, account.aside()) == (1, {drifted: "open"})
    assert "still set aside" in out
    account.far_end.mend(drifted)
    code, out = account.command("quarantine", "retry")
    assert (code, account.stored(), account.aside()) == (0, {drifted}, {drifted: "resolved"}), out


def test_the_play_is_not_over_before_it_was_set_aside_and_read(account: Account) -> None:
    account.until({account.buy()}, {})
    number = account.play.buy_unreadable(account.name)
    (row,) = account.play.judge()
    assert f"order {number} cannot be read, and was not set aside" in row.problems
    account.play.mend()
    assert account.play.unreadable == {(account.name, number)}, "nobody noticed yet"
    account.until(account.stored(), {number: "open"})
    (row,) = account.play.judge()
    assert (row.quarantined, row.read_since) == (1, 0)
    assert "1 document set aside; see `ordersync quarantine`" in row.problems
    account.play.mend()
    account.until({*account.stored(), number}, {number: "resolved"})
    (row,) = account.play.judge()
    assert (row.quarantined, row.read_since) == (1, 1)
    assert not [problem for problem in row.problems if "aside" in problem]
