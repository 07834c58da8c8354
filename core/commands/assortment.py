"""What a rehearsal sells, where it lies and who buys it."""

from __future__ import annotations

LOCATIONS = {"east": ("10001", 1), "west": ("94110", 2)}
KIT = "GIFT-BOX"
KIT_PARTS = {"TEE-RED-M": 2, "MUG-BLUE": 1}
SCARCE = "LAMP-OAK"
"""So few of it that most who order it wait."""
UNKNOWN = "NEW-ARRIVAL"
"""On offer at the channels before the warehouse knows it: its lines are held, then resume."""
APART = ("RUG-JUTE", "VASE-CLAY")
"""Each lies at one of the locations alone: who orders both gets two parcels."""
SKUS = [
    *(f"TEE-{colour}-{size}" for colour in ("RED", "BLUE", "SAND") for size in ("S", "M", "L")),
    *(f"MUG-{colour}" for colour in ("BLUE", "WHITE", "GREEN")),
    *(f"BAG-{number}" for number in range(1, 7)),
    SCARCE,
]
SPREAD = "BAG-1"
"""Every location has it."""
NEAR = ("94110", "San Francisco", "CA")
"""Beside the location whose work goes to a warehouse."""
TOWNS = [
    ("10001", "New York", "NY"),
    ("60601", "Chicago", "IL"),
    ("73301", "Austin", "TX"),
    ("94110", "San Francisco", "CA"),
]
