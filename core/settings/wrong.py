"""How a validator says what is wrong and what to do about it, apart, so that every problem reads the same way."""

from __future__ import annotations

from pydantic_core import PydanticCustomError

KIND = "ordersync"


def wrong(what: str, cure: str) -> PydanticCustomError:
    """The error a settings validator raises: `what` is wrong and the `cure`, both without any secret's value."""
    return PydanticCustomError(KIND, "{what}; {cure}", {"what": what, "cure": cure})
