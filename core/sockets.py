"""Sockets that know when an exchange ends.

An httpx timeout is per operation: a far end that sends one byte a second never meets it, neither in the body nor in
the headers. Here every operation of a socket, from connecting to the last byte, gets what is left of the exchange.
(A name that a resolver is slow to find is bounded by the resolver's own timeout.)
"""

from __future__ import annotations

import math
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import httpcore
import httpx


class _State(threading.local):
    ends = math.inf


_state = _State()

_PIECE = 64 * 1024
"""Bytes written at once: so often a reader that takes them slowly is looked at."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Everything this thread does on our sockets inside must be done in so many seconds."""
    before, _state.ends = _state.ends, time.monotonic() + seconds
    try:
        yield
    finally:
        _state.ends = before


def transport() -> httpx.HTTPTransport:
    """An httpx transport whose sockets keep to `within`. Proxies and certificates of the environment are not used."""
    context = _context()
    made = httpx.HTTPTransport(verify=context, trust_env=False)
    # httpx hands no network backend on; its pool is httpcore's own class, made here with one.
    made._pool = httpcore.ConnectionPool(
        ssl_context=context,
        max_connections=20,
        max_keepalive_connections=20,
        keepalive_expiry=30,
        network_backend=_Backend(),
    )
    return made


@cache
def _context() -> ssl.SSLContext:
    # Reading the certificates takes some twenty milliseconds; the context is nobody's own and never changed.
    return httpx.create_ssl_context(trust_env=False)


def _left(timeout: float | None, late: type[Exception]) -> float | None:
    """The seconds an operation may take: its own timeout or the rest of the exchange, whichever is less."""
    left = _state.ends - time.monotonic()
    if left <= 0:
        raise late("the exchange took too long")
    return timeout if math.isinf(left) else min(left, math.inf if timeout is None else timeout)


class _Backend(httpcore.SyncBackend):
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(super().connect_tcp(host, port, left, local_address, socket_options))


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _PIECE):
            self._inner.write(buffer[start : start + _PIECE], _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, _left(timeout, httpcore.ConnectTimeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
