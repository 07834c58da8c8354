"""What the configuration says of one Amazon account as a warehouse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from core.settings import PLACEHOLDER, Secret, WarehouseSettings, wrong

Speed = Literal["Standard", "Expedited", "Priority"]


class McfSettings(WarehouseSettings):
    """One seller's stock in Amazon's warehouses."""

    marketplace_id: Annotated[str, Field(pattern=r"^[A-Z0-9]+$", examples=["ATVPDKIKX0DER"])]
    """The marketplace whose FBA stock sends the orders; ATVPDKIKX0DER is amazon.com."""
    region: Literal["na", "eu", "fe"] = "na"
    """The API's region: na North and South America, eu Europe, Middle East, Africa and India, fe Far East."""
    client_id: Annotated[str, Field(min_length=1, examples=["amzn1.application-oa2-client.example"]), PLACEHOLDER]
    """The application's Login with Amazon client id; it needs the role Amazon Fulfillment."""
    client_secret: Secret
    """The application's Login with Amazon client secret."""
    refresh_token: Secret
    """The refresh token the seller's authorisation of the application gave."""
    pace: Annotated[float, Field(gt=0)] = 1.0
    """Multiplies the vendor's default request rates, where Amazon granted the account more."""
    poll_seconds: Annotated[int, Field(ge=1, le=86_400)] = 300
    """How often Amazon is asked what became of the work, in seconds."""
    speed: Speed = "Standard"
    """How fast orders are sent whose shipping service `speeds` does not name. It decides what Amazon charges."""
    speeds: Annotated[Mapping[str, Speed], Field(examples=[{"Next Day": "Priority"}])] = Field(default_factory=dict)
    """How fast, by the shipping service the buyer chose, in the channel's words."""
    comment: Annotated[str, Field(min_length=1, max_length=750)] = "Thank you for your order!"
    """What stands on the packing slip."""
    blank_box: bool = False
    """Send in unbranded boxes only. Walmart and other marketplaces ask for it."""
    block_amazon_logistics: bool = False
    """Let other carriers than Amazon's own deliver, for channels that accept no tracking of Amazon's."""
    count_minutes: Annotated[int, Field(ge=0, le=1440)] = 15
    """How often FBA stock is taken as the count of the location, in minutes. 0: never."""

    @model_validator(mode="after")
    def _one_pool(self) -> Self:
        if len(self.locations) > 1:
            raise wrong("Amazon's stock is one location", "name one location only; its own id may be anything")
        return self
