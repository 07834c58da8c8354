"""A bad day to rehearse: a file that says when which fault strikes the simulated channels, and its playing.

seed = 7

[[phase]]
name = "the doors open"
minutes = 5
orders_a_minute = 120
faults = { throttle = 0.2, html_503 = 0.02 }

[[phase]]
name = "Amazon is away"
minutes = 3
channels.amazon = { html_503 = 1.0 }
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Protocol

from pydantic import Field, model_validator

from core.errors import UserError
from core.settings import ConfigError, Problem, Table, wrong
from core.settings.problem import nearest
from core.settings.read import table_of, typed
from core.settings.secret import Unasked

Rates = Mapping[str, Annotated[float, Field(ge=0, le=1)]]
"""The probability a request, by fault."""


class Phase(Table):
    """One stretch of the day."""

    name: str = ""
    """What it is called when it begins."""
    minutes: Annotated[float, Field(gt=0, le=10_080)] | None = None
    """How long it lasts. Only the last one may leave it out: it lasts until Ctrl-C."""
    orders_a_minute: Annotated[float, Field(ge=0, le=6000)] = 0.0
    """Orders placed at each channel."""
    faults: Rates = Field(default_factory=dict)
    """What strikes every channel, and how likely with each request."""
    channels: Mapping[str, Rates] = Field(default_factory=dict)
    """What strikes one channel instead."""

    def rates(self, channel: str) -> Mapping[str, float]:
        """What strikes a channel."""
        return self.channels.get(channel, self.faults)


class BadDay(Table):
    """A fault plan file."""

    seed: Annotated[int, Field(ge=0)] = 0
    """The same seed and the same requests meet the same faults."""
    phase: Annotated[tuple[Phase, ...], Field(min_length=1)]
    """One [[phase]] after the other."""

    @model_validator(mode="after")
    def _only_the_last_is_endless(self) -> BadDay:
        for number, phase in enumerate(self.phase[:-1], start=1):
            if phase.minutes is None:
                raise wrong(f"phase {number} never ends", "say its minutes; only the last phase may leave them out")
        return self


class FarEnd(Protocol):
    """What is asked of a simulator here."""

    def suffer(self, rates: Mapping[str, float]) -> None: ...
    def let_buyers_order(self, count: int = 1) -> list[str]: ...


def read(path: Path, faults: Collection[str], channels: Collection[str]) -> BadDay:
    """The plan of a file. Raises `UserError` for one that cannot be read or names what there is not."""
    try:
        body = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); name a fault plan file or a seed") from None
    plan = typed(path.name, BadDay, table_of(path.name, body), Unasked())
    problems = [
        Problem(path.name, f"phase {number}", f"no {kind} is called {name!r}", nearest(name, sorted(known)))
        for number, phase in enumerate(plan.phase, start=1)
        for kind, names, known in (
            ("fault", [*phase.faults, *(fault for rates in phase.channels.values() for fault in rates)], faults),
            ("simulated channel", list(phase.channels), channels),
        )
        for name in names
        if name not in known
    ]
    if problems:
        raise ConfigError(problems)
    return plan


def play(
    plan: BadDay, served: Mapping[str, FarEnd], wait: Callable[[float | None], bool], tell: Callable[[str], Any]
) -> None:
    """Plays the phases, then lets everything be well again until the end is asked for.

    `wait` waits so many seconds (None: for ever) and says whether the end was asked for.
    """
    for number, phase in enumerate(plan.phase, start=1):
        tell(f"phase {number} of {len(plan.phase)}{': ' if phase.name else ''}{phase.name}{_lasting(phase)}")
        for name, far_end in served.items():
            far_end.suffer(phase.rates(name))
        if _pass(phase, list(served.values()), wait):
            return
    for far_end in served.values():
        far_end.suffer({})
    tell("the plan is over; no more faults")
    wait(None)


def _lasting(phase: Phase) -> str:
    return "" if phase.minutes is None else f", {phase.minutes:g} min"


def _pass(phase: Phase, served: Iterable[FarEnd], wait: Callable[[float | None], bool]) -> bool:
    """Lets one phase pass, with its orders; returns whether the end was asked for."""
    left = None if phase.minutes is None else phase.minutes * 60
    if not phase.orders_a_minute:
        return wait(left)
    pause = 60 / phase.orders_a_minute
    while left is None or left >= pause:
        if wait(pause):
            return True
        left = None if left is None else left - pause
        for far_end in served:
            far_end.let_buyers_order()
    return wait(left)
