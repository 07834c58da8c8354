"""A server that says exactly the bytes it is told to, and breaks off exactly as it is told to."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


class Drip(NamedTuple):
    """One byte, a pause, the next byte."""

    data: bytes
    pause: float = 0.05


class Close(NamedTuple):
    """These bytes, then a clean end."""

    data: bytes


class Reset(NamedTuple):
    """These bytes, then a connection reset."""

    data: bytes = b""


class Silence(NamedTuple):
    """Nothing at all, for as long as the client stays."""


class Sip(NamedTuple):
    """The request is read a little at a time, then answered."""

    size: int
    little: int = 256 * 1024
    pause: float = 0.02


Said = bytes | Drip | Close | Reset | Silence | Sip


def answer(
    status: int = 200,
    body: bytes = b'{"a":1}',
    *headers: str,
    kind: str = "application/json",
    length: int | None = None,
) -> bytes:
    """An HTTP answer; `length` is what it claims of its body, where that is not the truth."""
    lines = [
        f"HTTP/1.1 {status} Said",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body) if length is None else length}",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def undelimited(body: bytes, *headers: str) -> Close:
    """An answer whose body ends where the connection does."""
    lines = ["HTTP/1.1 200 Said", "Content-Type: application/json", "Connection: close", *headers]
    return Close("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


class RawServer:
    """Says `script` one answer a request; the last one again and again."""

    def __init__(self, script: list[Said]) -> None:
        self.script = script
        self.requests: list[bytes] = []
        self.dripped = 0
        self.sipped = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open = True
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._open = False
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts, so the port is really closed
        self._listener.close()

    def _accept(self) -> None:
        while self._open:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                while self._open and self._say(connection):
                    pass
            except OSError:
                return  # the client has left

    def _say(self, connection: socket.socket) -> bool:
        """One request and its answer; whether the connection goes on."""
        said = self.script[min(len(self.requests), len(self.script) - 1)]
        if isinstance(said, Sip):
            return self._sip(connection, said)
        request = _read(connection)
        if not request:
            return False
        self.requests.append(request)
        match said:
            case bytes():
                connection.sendall(said)
                return True
            case Drip():
                for at in range(len(said.data)):
                    connection.sendall(said.data[at : at + 1])
                    self.dripped += 1
                    time.sleep(said.pause)
            case Close():
                connection.sendall(said.data)
            case Reset():
                connection.sendall(said.data)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            case Silence():
                connection.recv(1)
        return False

    def _sip(self, connection: socket.socket, sip: Sip) -> bool:
        while self.sipped < sip.size:
            more = len(connection.recv(sip.little))
            if not more:
                return False
            self.sipped += more
            time.sleep(sip.pause)
        connection.sendall(answer())
        return True


def _read(connection: socket.socket) -> bytes:
    """One whole request, or nothing when the client has gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        more = connection.recv(65536)
        if not more:
            return b""
        body += more
    return head + b"\r\n\r\n" + body


@contextmanager
def saying(*script: Said) -> Iterator[RawServer]:
    server = RawServer(list(script))
    try:
        yield server
    finally:
        server.close()


@contextmanager
def listening(secure: ssl.SSLContext | None) -> Iterator[tuple[int, list[bytes]]]:
    """A port that reads what it is told, over TLS where it can, and answers nothing; what came in, or that nobody could
    be understood."""
    heard: list[bytes] = []
    far = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                one, _ = far.accept()
            except OSError:
                return
            with one:
                one.settimeout(5)
                try:
                    with secure.wrap_socket(one, server_side=True) if secure else one as told:
                        heard.append(told.recv(65_536))
                except OSError as error:
                    heard.append(str(error).encode())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield far.getsockname()[1], heard
    finally:
        far.shutdown(socket.SHUT_RDWR)
        far.close()
        thread.join(10)


def own_certificate(folder: Path) -> ssl.SSLContext:
    """What a server shows that has signed its certificate for localhost itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "localhost.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(made.public_bytes(Encoding.PEM) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context
