"""The server against strangers who are slow, long, many or rude, on real sockets. Its limits are small here."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from structlog.testing import capture_logs

from core.errors import UserError
from core.web.server import Answer, Limits, Request, Server

LIMITS = Limits(seconds=0.5, answer=0.5, head=2048, body=10_000, connections=8)
PATIENCE = 20.0


class Served:
    """A server, and what it was asked."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.asked: list[Request] = []
        self.release = threading.Event()
        self.server = Server("127.0.0.1", 0, self.answer, limits)
        self.place = self.server.start()

    async def answer(self, request: Request) -> Answer:
        self.asked.append(request)
        if request.path == "/bug":
            raise RuntimeError("Ada Lovelace")
        if request.path == "/slow":
            await asyncio.sleep(60)
        if request.path == "/held":
            while not self.release.is_set():
                await asyncio.sleep(0.01)
        return Answer(200, "thanks")

    def connect(self) -> socket.socket:
        return socket.create_connection(self.place, timeout=PATIENCE)

    def say(self, *parts: bytes, pause: float = 0.0) -> bytes:
        """All that is answered to these bytes, up to the end of the connection."""
        with self.connect() as stream:
            try:
                for part in parts:
                    stream.sendall(part)
                    time.sleep(pause)
            except (ConnectionError, BrokenPipeError):
                pass  # hung up on: what was answered before is what counts
            return rest(stream)


def rest(stream: socket.socket) -> bytes:
    said = b""
    try:
        while more := stream.recv(65_536):
            said += more
    except ConnectionError:
        pass
    return said


@pytest.fixture
def served() -> Iterator[Served]:
    made = Served()
    yield made
    made.release.set()
    made.server.stop()


def post(path: str = "/hooks/shop", body: bytes = b"{}", *headers: str, length: int | None = None) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


CHUNKED = b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


def status(answer: bytes) -> int:
    return int(answer.split()[1]) if answer else 0


def test_a_request_arrives_whole_and_byte_for_byte(served: Served) -> None:
    answer = served.say(post("/hooks/shop?a=1", b"\x00\xff body", "X-Sig: caf\xe9"))
    assert (status(answer), answer.endswith(b"thanks\n")) == (200, True)
    (asked,) = served.asked
    assert (asked.method, asked.path, asked.body) == ("POST", "/hooks/shop", b"\x00\xff body")
    assert asked.headers["x-sig"] == "caf\xe9"


def test_a_request_in_small_pieces_and_chunks_arrives_whole(served: Served) -> None:
    assert status(served.say(CHUNKED, b"3\r\nabc\r\n", b"2\r\nde\r\n0\r\n\r\n", pause=0.02)) == 200
    assert served.asked[0].body == b"abcde"


def test_who_waits_to_be_told_to_go_on_is_told(served: Served) -> None:
    with served.connect() as stream:
        stream.sendall(post("/x", b"", "Expect: 100-continue", length=2))
        assert stream.recv(1024).startswith(b"HTTP/1.1 100")
        stream.sendall(b"{}")
        assert status(rest(stream)) == 200


@pytest.mark.parametrize("before", [b"", b"POST /x HTTP/1.1\r\nHost: x\r\nA: ", post(body=b"", length=5000)])
def test_who_drips_is_dropped_and_holds_up_nobody(served: Served, before: bytes) -> None:
    with served.connect() as slow:
        slow.sendall(before or b"P")
        dripping = threading.Thread(target=_drip, args=(slow,))
        dripping.start()
        assert status(served.say(post())) == 200
        said = rest(slow)
        dripping.join()
    assert status(said) in (0, 408)
    assert [asked.body for asked in served.asked] == [b"{}"]


def _drip(stream: socket.socket) -> None:
    ends = time.monotonic() + PATIENCE
    try:
        while time.monotonic() < ends:
            stream.sendall(b"a")
            time.sleep(0.05)
    except OSError:
        return
    raise AssertionError("it was listened to for ever")


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (post(body=b"", length=10**12), 413),
        (CHUNKED + (b"1000\r\n" + b"x" * 4096 + b"\r\n") * 4, 413),
        (b"POST / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 5000 + b"\r\n\r\n", 431),
        (b"GET " + b"/" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"\r\n" * 3000, 400),
    ],
)  # fmt: skip
def test_bombs_and_rubbish_are_refused_before_anybody_looks_at_them(served: Served, said: bytes, wanted: int) -> None:
    assert status(served.say(said)) in (wanted, 431 if wanted == 400 else wanted)
    assert served.asked == []
    assert status(served.say(post())) == 200


def test_a_body_as_long_as_may_be_is_taken(served: Served) -> None:
    assert status(served.say(post(body=b"x" * LIMITS.body))) == 200
    assert status(served.say(post(body=b"x" * (LIMITS.body + 1)))) == 413


def test_when_all_connections_are_taken_by_the_slow_the_honest_get_in() -> None:
    patient = Served(Limits(seconds=PATIENCE, connections=8))
    try:
        with ExitStack() as stack:
            for _ in range(30):
                stack.enter_context(patient.connect()).sendall(b"POST / HTTP/1.1\r\n")
            answers = [status(patient.say(post())) for _ in range(5)]
        assert answers == [200] * 5
    finally:
        patient.server.stop()


def test_while_all_are_being_answered_the_next_is_turned_away(served: Served) -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(served.connect()) for _ in range(LIMITS.connections)]
        for stream in held:
            stream.sendall(post("/held"))
        until(lambda: len(served.asked) == LIMITS.connections)
        assert served.say(post()) == b""
        served.release.set()
        assert [status(rest(stream)) for stream in held] == [200] * LIMITS.connections
    assert status(served.say(post())) == 200


def until(true: Any) -> None:
    ends = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_a_bug_is_answered_500_and_the_log_holds_nothing_of_the_request(served: Served) -> None:
    with capture_logs() as lines:
        assert status(served.say(post("/bug", b'{"name":"Grace Hopper"}'))) == 500
    assert [(line["event"], line["path"]) for line in lines] == [("receiver failed", "/bug")]
    assert "Hopper" not in repr(lines)


def test_who_takes_too_long_over_a_request_answers_503(served: Served) -> None:
    answer = served.say(post("/slow"))
    assert status(answer) == 503
    assert b"retry-after" in answer.lower()


def test_a_stopping_server_answers_who_is_being_answered_and_lets_nobody_in(served: Served) -> None:
    with served.connect() as held, served.connect() as idle:
        held.sendall(post("/held"))
        until(lambda: served.asked)
        stopping = threading.Thread(target=served.server.stop)
        stopping.start()
        served.release.set()
        assert status(rest(held)) == 200
        assert rest(idle) == b""
        stopping.join(PATIENCE)
    with pytest.raises(OSError, match="refused"):
        served.connect()


def test_an_address_that_cannot_be_had_is_one_line_with_a_cure(served: Served) -> None:
    host, port = served.place
    with pytest.raises(UserError, match=rf"^receiver\.listen: {host}:{port} cannot be had \(.*\); name another$"):
        Server(host, port, served.answer).start()
