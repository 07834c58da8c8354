"""What a channel tells of the account itself and of changes in it, beside what we ask it for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import msgspec


class Finding(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One thing that was looked at when an account was examined."""

    what: str
    """A few words: credentials, scopes, clock, API version, locations, listings …"""
    well: bool
    told: str
    """What was found; where it is not well, ending in what to do. Never a secret."""


class Call(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One request that somebody sent to the address we gave a channel. Whether it is genuine is yet to be seen."""

    body: bytes
    """As it arrived: signatures are made over these very bytes."""
    headers: Mapping[str, str]
    """By name in small letters. Their bytes are read as Latin-1, so any bytes make a text, and not only ASCII."""
    at: datetime
    """When it arrived."""


class HintKind(StrEnum):
    """What a hint asks us to look at."""

    ORDER = "order"
    """One order; where the channel does not say which, whatever has changed."""
    LEVEL = "level"
    """The quantity of one listing at one place."""
    ACCOUNT = "account"
    """The account itself: its rights, or something a person has to know."""


class Hint(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A channel's word that something changed. It is a reason to look, never what is believed: looking is."""

    id: str
    """The channel's own id of the event: the same id is the same event, delivered once more."""
    kind: HintKind
    at: datetime
    """When it happened, by the channel's clock."""
    order: str = ""
    """ORDER: what `fetch` takes; empty where the channel does not say."""
    handle: str = ""
    """LEVEL: which listing, by its `ChannelListing.handle`; by its SKU where the channel's handles are empty."""
    place: str = ""
    """LEVEL: the channel's id of the place, as the settings write it."""
    quantity: int | None = None
    """LEVEL: what the channel says it holds there; None where it does not say."""
    reason: str = ""
    """ACCOUNT: what happened, ending in what to do."""
    parks: bool = False
    """ACCOUNT: where a look shows that we are not let in any more, `reason` is why the channel is parked."""


class Subscribed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How a look at a channel's subscriptions ended."""

    done: tuple[str, ...] = ()
    """What was created, mended or removed, in words; empty where all stood well."""
    refused: tuple[str, ...] = ()
    """What the channel will not tell us of, ending in what to do."""
