"""Simulated accounts of all three channels, and the settings that point connectors at them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from connectors.simulation import SimulatedLine, SimulatedListing, SimulatedOrder, Simulator
from core.connector import find_simulator
from core.settings import Settings, load

CHANNELS: Mapping[str, Mapping[str, Any]] = {
    "shopify": {"places": ("gid://shopify/Location/101",), "pace": 1e6},
    "amazon": {"pace": 1e6, "data_lag_seconds": 0.0},
    "walmart": {"places": ("",), "pace": 1e4},
}
"""One place each, the commonest account; paced so that nobody waits for a limit. The rules stay."""


@contextmanager
def accounts(skus: list[str]) -> Iterator[tuple[dict[str, Simulator], Settings]]:
    """Started simulators that offer `skus`, by channel, and the settings of a seller with one warehouse."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ordersync-bench-")))
        (folder / "channels").mkdir()
        (folder / "ordersync.toml").write_text('[log]\nformat = "json"\n')
        (folder / "locations.toml").write_text('[[locations]]\nname = "east"\npostal_code = "10001"\n')
        simulators: dict[str, Simulator] = {}
        secrets: dict[str, str] = {}
        for name, arguments in CHANNELS.items():
            places = arguments.get("places", ("",))
            offered = [
                SimulatedListing(sku=sku, title=sku, price=Decimal(10), quantities=dict.fromkeys(places, 1000))
                for sku in skus
            ]
            simulator = stack.enter_context(find_simulator(name)(listings=offered, **arguments))
            keys = {**simulator.config(), "locations": {"east": places[0]}}
            (folder / "channels" / f"{name}.toml").write_text(
                "".join(f"{key} = {_toml(value)}\n" for key, value in keys.items())
            )
            secrets |= simulator.secrets()
            simulators[name] = simulator
        settings = load(folder, secrets)
        if settings.problems:
            raise RuntimeError("; ".join(map(str, settings.problems)))
        yield simulators, settings


def buy(simulator: Simulator, skus: list[str], number: int) -> None:
    """The `number`-th buyer orders two lines."""
    first, second = skus[2 * number % len(skus)], skus[(2 * number + 1) % len(skus)]
    lines = (SimulatedLine(sku=first, quantity=1), SimulatedLine(sku=second, quantity=2))
    simulator.place(SimulatedOrder(lines=lines))


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{_toml(key)} = {_toml(inner)}' for key, inner in value.items())} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value).lower() if isinstance(value, bool) else str(value)
