"""What the yard of a warehouse cannot do: deeds its connector declares absent, with the reason it gives."""

from __future__ import annotations

from collections.abc import Mapping

from core.warehouse import Deed


def absent(declared: Mapping[Deed, str], deed: Deed) -> AssertionError:
    """What a yard raises when it is asked for a deed its connector has declared absent.

    The suite asks for no such deed, so whoever does asks for what no such warehouse can do. A deed that is not declared
    absent (any more) is a `KeyError`: the yard must learn it.
    """
    return AssertionError(f"{deed} is asked of a warehouse whose connector declares it absent: {declared[deed]}")
