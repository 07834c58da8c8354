"""From which locations an order ships. Pure: quantities, locations and rules in, a decision with its reasons out.

Three steps, each in a file of its own: `eligibility` drops the locations that may not be asked, `ranking` puts the
others in order, `division` divides the units among them, by `covering` where more than one is needed. `explain` tells a
stored decision in words. docs/routing.md says the same for people who run it.
"""

from __future__ import annotations

from core.routing.distance import distance_km
from core.routing.division import route
from core.routing.ranking import UNKNOWN, Worth, candidates
from core.routing.words import (
    Ask,
    Candidate,
    Decision,
    Piece,
    Reason,
    Rules,
    Share,
    Site,
    Standing,
)

__all__ = [
    "UNKNOWN",
    "Ask",
    "Candidate",
    "Decision",
    "Piece",
    "Reason",
    "Rules",
    "Share",
    "Site",
    "Standing",
    "Worth",
    "candidates",
    "distance_km",
    "route",
]
