"""`ordersync simulate`: the far ends of channels, served on this machine for trying things out."""

from __future__ import annotations

import secrets
import signal
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Protocol

import typer

from core.asked import Asked
from core.commands import badday, given, show
from core.commands.edge import tell
from core.commands.given import Config, Json
from core.connector import SIMULATORS, find_simulator, names
from core.errors import UserError
from core.settings import load
from core.settings.problem import in_toml


class Served(Protocol):
    """What serves on this machine."""

    def start(self, port: int = 0) -> str: ...
    def stop(self) -> None: ...


class FarEnd(Served, Protocol):
    """What is asked of a simulator here (see `connectors.simulation`)."""

    places: tuple[str, ...]

    def config(self) -> dict[str, Any]: ...
    def secrets(self) -> dict[str, str]: ...
    def let_buyers_order(self, count: int = 1) -> list[str]: ...
    def suffer(self, rates: Mapping[str, float]) -> None: ...


def complete_simulator(incomplete: str) -> list[str]:
    """The simulators whose names begin so, for the shell."""
    return [name for name in names(SIMULATORS) if name.startswith(incomplete)]


def register(app: typer.Typer) -> None:
    app.command("simulate")(simulate)


def simulate(
    channels: Annotated[
        list[str],
        typer.Argument(metavar="CHANNEL...", autocompletion=complete_simulator, help="shopify, amazon, walmart …"),
    ],
    port: Annotated[
        int, typer.Option("--port", min=0, max=65_000, help="Of the first; the next follow. 0: any that is free.")
    ] = 0,
    orders: Annotated[int, typer.Option("--orders", min=0, max=100_000, help="Placed at each at once.")] = 0,
    rate: Annotated[float, typer.Option("--rate", min=0, max=6000, help="Orders a minute placed at each.")] = 0.0,
    faults: Annotated[
        str | None,
        typer.Option("--faults", metavar="SEED|FILE", help="A bad day: an ordinary one by its seed, or a plan's file."),
    ] = None,
    real_time: Annotated[
        bool, typer.Option("--real-time", help="With the vendors' own delays and limits, not hurried.")
    ] = False,
    warehouse: Annotated[
        str,
        typer.Option(
            "--warehouse",
            metavar="LOCATION",
            help="Serve a warehouse for this location, too: it sends what it is asked.",
        ),
    ] = "",
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Serve simulated channels until Ctrl-C, and print what points a channel at them."""
    places = _locations(config)
    if warehouse and warehouse not in places:
        raise UserError(f"there is no location {warehouse!r}; there are: {', '.join(places)}")
    seed, plan = _faults(faults)
    if plan is not None and rate:
        raise UserError("the plan says how many orders are placed; leave out --rate")
    with _until_asked() as asked, ExitStack() as open_ones:
        served: dict[str, FarEnd] = {}
        for number, name in enumerate(dict.fromkeys(channels)):
            far_end: FarEnd = find_simulator(name).furnished(
                name, seed=seed, faulty=faults is not None and plan is None, hurried=not real_time
            )
            _start(far_end, port + number if port else 0)
            open_ones.callback(far_end.stop)
            far_end.let_buyers_order(orders)
            served[name] = far_end
        told = [_told(name, far_end, places) for name, far_end in served.items()]
        houses = [_house(warehouse, port + len(served) if port else 0, open_ones)] if warehouse else []
        if json:
            show.document({"channels": told, "warehouses": houses})
        else:
            _print([*told, *houses])
        if plan is not None:
            badday.play(plan, served, asked.wait, tell)
        else:
            _serve(served, rate, asked)


def _faults(given: str | None) -> tuple[int, badday.BadDay | None]:
    """The seed, and the plan where a file was named."""
    if given is None or (given.isascii() and given.isdigit() and len(given) < 10):
        return int(given or 0), None
    every = names(SIMULATORS)
    known = {fault for name in every for fault in find_simulator(name).faults_known}
    plan = badday.read(Path(given), known, every)
    return plan.seed, plan


def _serve(served: Mapping[str, FarEnd], rate: float, asked: Asked) -> None:
    """Serves until asked to end, placing orders as they fall due."""
    if not rate:
        asked.wait()
        return
    pause = 60.0 / rate
    due = time.monotonic() + pause
    while not asked.wait(max(0.0, due - time.monotonic())):
        due += pause
        for far_end in served.values():
            far_end.let_buyers_order()


@contextmanager
def _until_asked() -> Iterator[Asked]:
    """What Ctrl-C and SIGTERM set."""
    asked = Asked()

    def ask(number: int, frame: FrameType | None) -> None:
        asked.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _start(far_end: Served, port: int) -> None:
    if port:  # asked beforehand: a server that finds its port taken ends the process
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                raise UserError(f"port {port} cannot be had ({error.strerror}); name another with --port") from None
    far_end.start(port)


def _locations(config: Path) -> list[str]:
    """The configured locations' names; an example where there is no configuration yet."""
    return [place.name for place in load(config).locations] if config.is_dir() else ["east"]


def _told(name: str, far_end: FarEnd, places: Sequence[str]) -> dict[str, Any]:
    keys = far_end.config()
    own = {place: far_end.places[number % len(far_end.places)] for number, place in enumerate(places)}
    return {
        "channel": name,
        "base_url": keys["base_url"],
        "config": {**keys, "locations": own},
        "environment": far_end.secrets(),
    }


def _house(location: str, port: int, open_ones: ExitStack) -> dict[str, Any]:
    """A warehouse that is served until `open_ones` close, with people who are always there."""
    # Here and not above: no other command should wait for it to be loaded.
    from connectors.simulated_warehouse import SimulatedWarehouse
    from core.commands.always_there import AlwaysThere

    served = SimulatedWarehouse(name="depot", secret=secrets.token_hex(32))
    _start(served, port)
    open_ones.callback(served.stop)
    people = AlwaysThere(served.yard)
    people.start()
    open_ones.callback(people.stop)
    # What was released before could be at a real warehouse by other ways. Nothing can be at this one.
    keys = served.config() | {"hand_over_since": show.iso(0)}
    return {
        "warehouse": served.name,
        "base_url": keys["base_url"],
        "config": {**keys, "locations": {location: "W-1"}, "poll_seconds": 5},
        "environment": served.secrets(),
    }


def _print(told: Sequence[Mapping[str, Any]]) -> None:
    for one in told:
        name = one.get("channel") or one["warehouse"]
        folder = "channels" if "channel" in one else "warehouses"
        show.line(f"# {name} at {one['base_url']}: {folder}/{name}.toml")
        for key, value in one["config"].items():
            show.line(f"{key} = {in_toml(value)}")
        for name, value in one["environment"].items():
            show.line(f"# export {name}='{value}'")
        show.line("")
    show.line("# Ctrl-C ends it.")
