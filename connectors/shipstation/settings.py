"""What the configuration says of one ShipStation account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import Field, model_validator

from core.settings import Secret, WarehouseSettings, wrong


class ShipStationSettings(WarehouseSettings):
    """One ShipStation account, by its v1 API. A location's own id there is the number of its Ship From location."""

    api_key: Secret
    """The API key, from Settings, Account, API Settings in ShipStation."""
    api_secret: Secret
    """The API secret that belongs to it."""
    store_id: Annotated[int, Field(ge=1, examples=[12345])] | None = None
    """The number of the store in ShipStation that our orders are put into. Not set: its first manual store."""
    poll_seconds: Annotated[int, Field(ge=1, le=86_400)] = 120
    """How often ShipStation is asked for labels, in seconds. It takes two requests, more where labels are many."""
    requests_per_minute: Annotated[int, Field(ge=1, le=10_000)] = 40
    """How many requests a minute the key is allowed. What ShipStation's answers say goes before it."""
    label_minutes: Annotated[int, Field(ge=0, le=1440)] = 10
    """So many minutes after it was made, a label counts as a parcel that left. One voided before is never booked."""
    give_email: bool = False
    """Give ShipStation the buyer's email address. It may write to buyers of its own, as its account is set up."""
    page_size: Annotated[int, Field(ge=1, le=500)] = 200
    """Orders or labels asked for at once."""

    locations: Annotated[Mapping[str, str], Field(examples=[{"east": "16079"}])] = Field(default_factory=dict)
    """The locations it serves and the number of each one's Ship From location in ShipStation. A location is served by
    one warehouse at most."""

    @model_validator(mode="after")
    def _places_are_numbers(self) -> Self:
        odd = next((place for place in self.locations.values() if place and not _number(place)), None)
        if odd is not None:
            raise wrong(f"{odd!r} is no Ship From location", "write its number there, such as 16079")
        return self


def _number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 16
