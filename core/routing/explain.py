"""A stored decision in plain sentences, for an operator who has nobody to ask."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from core.plurals import many


def explain(decision: str, chosen: int, skus: Mapping[int, str] = {}) -> list[str]:
    """A decision as it is stored, in words: the rule, then one sentence a location, in the order they were ranked.

    `chosen`: the location whose work it is told for; 0 where the order waits. `skus`: what people call the lines.
    """
    known: dict[str, Any] = json.loads(decision)
    rule = known.get("rule", "")
    words = [f"rule: {rule}" + _ranked_by(known)] if rule else []
    if known.get("at_least"):
        words.append(
            f"at least {known['at_least']} parcels are needed; whether so few suffice took too long to find out"
        )
    candidates = known.get("candidates", ())
    able = [one for one in candidates if not one.get("dropped")]
    for rank, one in enumerate(able, 1):
        words.append(f"{rank}. {one['location']} ({_numbers(one)}): {_what(known, able, rank - 1, chosen, skus)}")
    words += [f"{one['location']} was left out: {one['dropped']}" for one in candidates if one.get("dropped")]
    return words


def _ranked_by(known: Mapping[str, Any]) -> str:
    rank = [_CRITERIA.get(name, name) for name in known.get("rank", ())]
    return f"; locations ranked by {', then '.join(rank)}" if rank else ""


_CRITERIA = {"ship_day": "ship day", "balance": "fewest orders today"}


def _numbers(one: Mapping[str, Any]) -> str:
    """A location's numbers, each only where there is something to say."""
    told = [f"priority {one.get('priority', 0)}"]
    told.append(f"{one['km']:,} km away" if one.get("km") is not None else "distance not known")
    if one.get("zone") is not None:
        told.append(f"zone {one['zone']}")
    if one.get("cost") is not None:
        told.append(f"costs {Decimal(one['cost']) / 1_000_000:.2f}")
    if one.get("load") is not None:
        told.append(f"{many(one['load'], 'order')} today")
    if one.get("ships"):
        told.append(f"ships on {one['ships']}" + (", too late" if one.get("late") else ""))
    return ", ".join(told)


def _what(known: Mapping[str, Any], able: list[Any], at: int, chosen: int, skus: Mapping[int, str]) -> str:
    one = able[at]
    short = one.get("id") in known.get("short", ())  # as decisions were stored once
    lacks = known.get("lacks", {}).get(str(one.get("id", 0)), {} if short else None)
    share = known.get("shares", {}).get(str(one.get("id", 0)))
    if one.get("id") == chosen:
        if lacks is None:
            return f"chosen: holds everything{_better(known, able, at)}"
        return f"chosen for {_units(share, skus)}{_has(lacks, skus, ', and has ')}"
    if share is not None:
        return f"asked for {_units(share, skus)}{_has(lacks or {}, skus, ', and has ')}"
    if lacks is not None:
        return f"{'passed over' if chosen else 'does not hold everything'}{_has(lacks, skus, ': ')}"
    return "not needed" if chosen else "holds everything"


def _units(share: Mapping[str, int] | None, skus: Mapping[int, str]) -> str:
    if not share:
        return "what it has"
    return ", ".join(f"{units} {skus.get(int(line), f'of line {line}')}" for line, units in share.items())


def _has(lacks: Mapping[str, Any], skus: Mapping[int, str], before: str) -> str:
    told = [f"{have} of {want} {skus.get(int(line), f'of line {line}')}" for line, (have, want) in lacks.items()]
    return before + ", ".join(told) if told else ""


def _better(known: Mapping[str, Any], able: list[Any], at: int) -> str:
    """By which of its numbers a location stands before the next one."""
    if at + 1 >= len(able):
        return ""
    one, next_ = able[at], able[at + 1]
    for name in known.get("rank", ()):
        field = {"distance": "km", "balance": "load", "ship_day": "ships"}.get(name, name)
        if one.get(field) != next_.get(field):
            return f", and ranks before {next_['location']} by {_CRITERIA.get(name, name)}"
    return f", and comes before {next_['location']} by name" if known.get("rank") else ""
