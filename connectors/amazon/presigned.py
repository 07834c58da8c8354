"""Documents behind presigned addresses: the report of a feed, or one that was asked for.

The address itself is the permission.
"""

from __future__ import annotations

import re
import zlib
from typing import NamedTuple

import httpx
import msgspec

from connectors.amazon.account import Account
from core import http
from core.errors import NotFound, Unavailable

MOST = 256 * 1024 * 1024
"""The largest document, unpacked, that is read."""


class Document(NamedTuple):
    """A document, unpacked, and how its text is written where Amazon says so."""

    body: bytes
    charset: str


class _Place(msgspec.Struct, rename="camel"):
    url: str
    compression_algorithm: str | None = None


def read(account: Account, place: httpx.Response, what: str) -> Document:
    """The document whose address this answer tells; `what` it is, for the reason why it could not be had."""
    where = http.decode(place, _Place)
    try:
        answer = account.documents.get(where.url)
    except NotFound:
        raise Unavailable(f"{what} is not where Amazon says") from None
    if answer.status_code != 200:
        raise Unavailable(f"{what} could not be fetched: its link has expired")
    body = answer.content
    if where.compression_algorithm == "GZIP" and body[:2] == b"\x1f\x8b":
        body = _unpack(body, what)
    charset = re.search(r"charset=([\w-]+)", answer.headers.get("content-type", ""), re.IGNORECASE)
    return Document(body, charset.group(1) if charset else "")


def _unpack(body: bytes, what: str) -> bytes:
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        whole = unpacker.decompress(body, MOST)
    except zlib.error:
        raise Unavailable(f"{what} cannot be unpacked") from None
    if not unpacker.eof:
        raise Unavailable(f"{what} is cut short, or larger than any should be")
    return whole
