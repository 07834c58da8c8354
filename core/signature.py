"""Signatures of requests that others send us, compared so that the time it takes tells nothing."""

from __future__ import annotations

import base64
import hashlib
import hmac


def sha256(secret: str, message: bytes) -> bytes:
    """The HMAC-SHA256 of a message: 32 bytes."""
    return hmac.digest(secret.encode(), message, hashlib.sha256)


def as_base64(digest: bytes) -> bytes:
    return base64.b64encode(digest)


def as_hex(digest: bytes) -> bytes:
    return digest.hex().encode()


def same(given: str, wanted: bytes) -> bool:
    """Whether a header holds these bytes. Compared as bytes: a text that is not ASCII is just another wrong one."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), wanted)
