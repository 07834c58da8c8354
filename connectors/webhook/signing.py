"""How both sides sign: an HMAC-SHA256 over the instant, the method, the path and the body, in hexadecimal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from core import signature
from core.errors import Forged, Stale

TIMESTAMP = "x-ordersync-timestamp"
SIGNATURE = "x-ordersync-signature"

WINDOW = 300
"""Seconds a signed request is worth a look."""


def headers(secret: str, at: int, method: str, path: str, body: bytes) -> dict[str, str]:
    """The headers of a request signed at an instant (seconds since 1970); `path` is as sent, with its query."""
    return {TIMESTAMP: str(at), SIGNATURE: signature.as_hex(_digest(secret, str(at), method, path, body)).decode()}


def check(secret: str, given: Mapping[str, str], at: datetime, method: str, path: str, body: bytes) -> None:
    """Raises `Forged` for a request that the other side did not sign, `Stale` for one signed too long ago, or later."""
    told = given.get(TIMESTAMP, "")
    wanted = signature.as_hex(_digest(secret, told, method, path, body))
    if not signature.same(given.get(SIGNATURE, ""), wanted):
        raise Forged("the signature is not the warehouse's")
    if not (told.isascii() and told.isdigit() and len(told) < 12):
        raise Forged("the signed instant is no number of seconds")
    if abs(at.timestamp() - int(told)) > WINDOW:
        raise Stale(f"it was signed more than {WINDOW} seconds from now; check both clocks")


def _digest(secret: str, at: str, method: str, path: str, body: bytes) -> bytes:
    return signature.sha256(secret, b"\n".join((at.encode("latin-1", "replace"), method.encode(), path.encode(), body)))
