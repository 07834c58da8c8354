"""Reading an HTTP answer to its end, and seeing that the end is really there."""

from __future__ import annotations

import email.utils
import gzip
import math
import time
import zlib
from datetime import UTC, datetime

import httpx
import msgspec

from core.errors import Unavailable

_DAY = 86_400.0


def body(response: httpx.Response, ends: float) -> bytes:
    """The whole body without its encoding, read before the monotonic instant `ends`; else an error of httpx."""
    if response.is_stream_consumed:
        return response.content  # a transport in memory answers with what is read and decoded already
    chunks = []
    for chunk in response.iter_raw():
        chunks.append(chunk)
        if time.monotonic() > ends:
            raise httpx.ReadTimeout("the whole exchange took too long")
    return _unpacked(b"".join(chunks), response.headers.get("content-encoding", "identity").strip().lower())


def _unpacked(packed: bytes, encoding: str) -> bytes:
    """A gzip stream that ends early is no body: httpx would take what there is."""
    if not packed or encoding == "identity":
        return packed
    if encoding not in ("gzip", "x-gzip"):
        raise httpx.DecodingError("an encoding that was not asked for")
    try:
        return gzip.decompress(packed)
    except (EOFError, OSError, zlib.error):
        raise httpx.DecodingError("broken gzip") from None


def must_be_whole(where: str, response: httpx.Response) -> None:
    """A page of HTML, or JSON that stops half-way or never starts, is an outage whatever its status says."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "text/html":
        raise Unavailable(f"{where} answered a page of HTML", ambiguous=True)
    if kind != "application/json" and not kind.endswith("+json"):
        return
    if not response.content and (response.status_code >= 204 or response.request.method == "HEAD"):
        return  # nothing is all there is to say
    try:
        msgspec.json.decode(response.content, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        raise Unavailable(f"{where} answered half a document", ambiguous=True) from None


def retry_after(response: httpx.Response) -> float | None:
    """Seconds to wait, at most a day: Retry-After as a number or an HTTP date; None where absent or unreadable."""
    text = response.headers.get("retry-after", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        due = _http_date(text)
        if due is None:
            return None
        # By the far end's own clock where it tells it: ours may be off.
        now = _http_date(response.headers.get("date", "")) or datetime.now(UTC)
        seconds = (due - now).total_seconds()
    return min(max(0.0, seconds), _DAY) if math.isfinite(seconds) else None


def clock_off(response: httpx.Response, sent: float, received: float) -> float | None:
    """Seconds by which our clock is ahead of the far end's, below zero where it is behind; None where it tells no time.

    `sent` and `received`, in seconds since 1970, are ours: what lies between them is no difference.
    """
    theirs = _http_date(response.headers.get("date", ""))
    if theirs is None:
        return None
    at = theirs.timestamp()
    if at > received:
        return received - at
    return max(0.0, sent - at - 1.0)  # theirs has whole seconds only


def _http_date(text: str) -> datetime | None:
    try:
        date = email.utils.parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
