"""Counts as people say them."""

from __future__ import annotations


def many(count: int, noun: str) -> str:
    """A count with its noun: "1 push", "2 pushes"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}{'es' if noun.endswith('h') else 's'}"


def are(count: int) -> str:
    """Of one "is", of many "are"."""
    return "is" if count == 1 else "are"
