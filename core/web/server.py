"""A small HTTP server for requests of strangers: each gets so much time and memory and no more.

One request a connection, read as a whole before anybody looks at it. One that is not whole after `Limits.seconds` is
dropped, however it drips; a body longer than `Limits.body` is refused at its announcement or as soon as it is longer.
When all connections are taken, the one that has been sending its request for longest makes room: those who are slow on
purpose push each other out, and an honest request, which takes milliseconds, gets in.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

import h11
import msgspec
import structlog

from core.errors import UserError

log = structlog.get_logger("ordersync")

_CHUNK = 65_536


class Limits(msgspec.Struct, frozen=True):
    """What one stranger may take."""

    seconds: float = 5.0
    """For a whole request."""
    answer: float = 4.0
    """For what is done with it. Channels wait five seconds."""
    head: int = 16 * 1024
    """Bytes of a request's line and headers."""
    body: int = 1024 * 1024
    connections: int = 256


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One whole request."""

    method: str
    path: str
    """As sent, without the query."""
    headers: Mapping[str, str]
    """By name in small letters, the last of equal names; values read as Latin-1."""
    body: bytes


class Answer(msgspec.Struct, frozen=True):
    """What is answered: a status and a line of text for people."""

    status: int
    text: str = ""
    headers: Mapping[str, str] = {}


Handle = Callable[[Request], Awaitable[Answer]]


class _Refused(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Server:
    """Serves in a thread of its own, from `start` to `stop`."""

    def __init__(self, host: str, port: int, handle: Handle, limits: Limits | None = None) -> None:
        self._host, self._port = host, port
        self._handle = handle
        self._limits = limits or Limits()
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._thread: threading.Thread | None = None
        self._open: set[asyncio.Task[None]] = set()
        self._reading: dict[asyncio.Task[None], None] = {}
        """Connections whose request is not whole yet, the oldest first."""

    def start(self) -> tuple[str, int]:
        """Begins to listen; returns host and port. Raises `UserError` where that cannot be."""
        listening = asyncio.start_server(self._connected, self._host, self._port, backlog=self._limits.connections)
        try:
            self._server = self._loop.run_until_complete(listening)
        except OSError as error:
            self._loop.close()
            raise UserError(
                f"receiver.listen: {self._host}:{self._port} cannot be had ({error.strerror or error}); name another"
            ) from None
        self._thread = threading.Thread(target=self._loop.run_forever, name="receiver", daemon=True)
        self._thread.start()
        host, port = self._server.sockets[0].getsockname()[:2]
        return str(host), int(port)

    def stop(self) -> None:
        """Ends it: nobody else gets in, and who is in has a moment to get the answer."""
        if self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(2 * self._limits.seconds)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._thread = None

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._reading):
            task.cancel()
        if self._open:
            _, late = await asyncio.wait(self._open, timeout=1.0)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio runs this as a task
        if len(self._open) >= self._limits.connections:
            slowest = next(iter(self._reading), None)
            if slowest is None:
                writer.transport.abort()
                return
            slowest.cancel()
            self._reading.pop(slowest, None)
        self._open.add(task)
        self._reading[task] = None
        try:
            await self._serve(task, reader, writer)
        except (ConnectionError, TimeoutError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            self._open.discard(task)
            self._reading.pop(task, None)
            writer.close()

    async def _serve(
        self, task: asyncio.Task[None], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        wire = h11.Connection(h11.SERVER, max_incomplete_event_size=self._limits.head)
        try:
            async with asyncio.timeout(self._limits.seconds):
                request = await self._request(wire, reader, writer)
        except TimeoutError:
            answer = Answer(408)
        except _Refused as refused:
            answer = Answer(refused.status)
        except h11.RemoteProtocolError as error:
            answer = Answer(error.error_status_hint)
        else:
            if request is None:
                return
            self._reading.pop(task, None)
            answer = await self._answered(request)
        self._reading.pop(task, None)
        async with asyncio.timeout(self._limits.seconds):
            await _send(wire, writer, answer)
            if wire.their_state is not h11.DONE:  # who is still sending would see a reset instead of the answer
                await _linger(reader, writer)

    async def _answered(self, request: Request) -> Answer:
        try:
            async with asyncio.timeout(self._limits.answer):
                return await self._handle(request)
        except TimeoutError:
            return Answer(503, "busy; try again", {"retry-after": "10"})
        except Exception:
            log.exception("receiver failed", path=request.path)
            return Answer(500)

    async def _request(
        self, wire: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Request | None:
        """The request once it is whole; None where the connection ended before one began."""
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event = wire.next_event()
            if event is h11.NEED_DATA:
                if wire.they_are_waiting_for_100_continue:
                    writer.write(wire.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
                wire.receive_data(await reader.read(_CHUNK))
            elif isinstance(event, h11.Request):
                head = event
                # h11 bounds what is not whole yet; what comes whole at once is bounded here.
                if len(event.target) + sum(len(name) + len(value) for name, value in event.headers) > self._limits.head:
                    raise _Refused(431)
                if int(dict(event.headers).get(b"content-length", b"0")) > self._limits.body:
                    raise _Refused(413)
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > self._limits.body:
                    raise _Refused(413)
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                return _whole(head, bytes(body))
            else:
                return None


def _whole(head: h11.Request, body: bytes) -> Request:
    return Request(
        method=head.method.decode("ascii"),
        path=head.target.partition(b"?")[0].decode("ascii"),
        headers={name.decode("ascii"): value.decode("latin-1") for name, value in head.headers},
        body=body,
    )


async def _send(wire: h11.Connection, writer: asyncio.StreamWriter, answer: Answer) -> None:
    text = (answer.text or HTTPStatus(answer.status).phrase).encode() + b"\n"
    headers = {
        "content-type": "text/plain; charset=utf-8",
        "content-length": str(len(text)),
        "connection": "close",
        **answer.headers,
    }
    reply = h11.Response(
        status_code=answer.status, headers=list(headers.items()), reason=HTTPStatus(answer.status).phrase.encode()
    )
    for event in (reply, h11.Data(data=text), h11.EndOfMessage()):
        writer.write(wire.send(event) or b"")
    await writer.drain()


async def _linger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reads on for a moment and throws it away."""
    writer.write_eof()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            while await reader.read(_CHUNK):
                pass
