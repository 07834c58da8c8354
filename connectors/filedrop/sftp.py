"""A folder on a warehouse's server, over SFTP. The server is who it was when its key was written down, or nobody.

Nothing of this machine's own SSH set-up counts: no agent, no known_hosts, no keys or options of a user. A server that
shows another key is not spoken to: nobody but the warehouse can say whether it is still theirs.
"""

from __future__ import annotations

import asyncio
import logging
import os
import stat
import time
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, TypeVar

import asyncssh

from connectors.filedrop.local import NO_FOLDER, Entry
from core.errors import ChannelError, Unauthorized, Unavailable

T = TypeVar("T")

DEADLINE = 30.0
"""Seconds one step may take in all, connecting included."""

IDLE = 30.0
"""Seconds after which a connection nobody used is made anew."""

KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "rsa-sha2-512",
         "rsa-sha2-256")  # fmt: skip
"""Kinds of host keys that a server may show, so that it is seen which one it has."""

logging.getLogger("asyncssh").setLevel(logging.WARNING)  # below that it tells who logs in where, and each file's name


class Remote:
    """Folders below a path on a server. A connection that breaks is made anew at the next step."""

    def __init__(
        self, root: str, *, host: str, port: int, user: str, host_key: str, password: str, private_key: str
    ) -> None:
        self._root = root.rstrip("/")
        self._place = (host, port)
        self._user, self._password, self._private_key = user, password, private_key
        self._host_key = host_key
        self._runner: asyncio.Runner | None = None
        self._connection: asyncssh.SSHClientConnection | None = None
        self._sftp: asyncssh.SFTPClient | None = None
        self._used = 0.0

    def look(self, folder: str) -> list[Entry]:
        async def work(sftp: asyncssh.SFTPClient) -> list[Entry]:
            await self._must_be_there(sftp)
            if not await sftp.isdir(self._path(folder)):
                return []
            found = []
            for one in await sftp.readdir(self._path(folder)):
                mode = one.attrs.permissions or 0
                if stat.S_ISREG(mode) or one.attrs.type == asyncssh.FILEXFER_TYPE_REGULAR:
                    found.append(Entry(str(one.filename), one.attrs.size or 0, one.attrs.mtime or 0))
            return sorted(found)

        return self._do(folder, work)

    def read(self, folder: str, name: str) -> bytes:
        async def work(sftp: asyncssh.SFTPClient) -> bytes:
            async with sftp.open(self._path(folder, name), "rb") as file:
                found: Any = await file.read()
                return bytes(found)

        return self._do(f"{folder}/{name}", work)

    def write(self, folder: str, name: str, body: bytes) -> None:
        async def work(sftp: asyncssh.SFTPClient) -> None:
            await self._make(sftp, folder)
            part = self._path(folder, f"{name}.writing")
            async with sftp.open(part, "wb") as file:
                await file.write(body)
            await self._rename(sftp, part, self._path(folder, name))

        self._do(f"{folder}/{name}", work, writes=True)

    def has(self, folder: str, name: str) -> bool:
        async def work(sftp: asyncssh.SFTPClient) -> bool:
            await self._must_be_there(sftp)
            return bool(await sftp.exists(self._path(folder, name)))

        return self._do(f"{folder}/{name}", work)

    def move(self, folder: str, name: str, to: str, new: str) -> None:
        async def work(sftp: asyncssh.SFTPClient) -> None:
            await self._make(sftp, to)
            if await sftp.exists(self._path(folder, name)):
                await self._rename(sftp, self._path(folder, name), self._path(to, new))

        self._do(f"{folder}/{name}", work, writes=True)

    def close(self) -> None:
        if self._runner is not None:
            self._drop()
            self._runner.close()
            self._runner = None

    def _path(self, *parts: str) -> str:
        return "/".join((self._root, *parts))

    async def _make(self, sftp: asyncssh.SFTPClient, folder: str) -> None:
        await self._must_be_there(sftp)
        if not await sftp.isdir(self._path(folder)):
            await sftp.mkdir(self._path(folder))

    async def _must_be_there(self, sftp: asyncssh.SFTPClient) -> None:
        """Raises `Unavailable` where `in` is not: no empty folder, and nobody would fetch what is written there."""
        try:
            there = stat.S_ISDIR((await sftp.stat(self._path("in"))).permissions or stat.S_IFDIR)
        except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath, asyncssh.SFTPNotADirectory):
            there = False
        if not there:
            host, port = self._place
            raise Unavailable(f"{host}:{port}{self._path('in')}: {NO_FOLDER}")

    async def _rename(self, sftp: asyncssh.SFTPClient, old: str, new: str) -> None:
        """Replaces what is there, at once where the server can do that."""
        try:
            await sftp.posix_rename(old, new)
        except asyncssh.SFTPOpUnsupported:
            if await sftp.exists(new):
                await sftp.remove(new)
            await sftp.rename(old, new)

    def _do(self, what: str, work: Callable[[asyncssh.SFTPClient], Awaitable[T]], *, writes: bool = False) -> T:
        """One step on the server; whatever goes wrong is told as what happens next."""
        if self._runner is None:
            self._runner = asyncio.Runner()
        if time.monotonic() - self._used > IDLE:
            self._drop()
        opened = self._sftp is not None
        try:
            found = self._runner.run(asyncio.wait_for(self._step(work), DEADLINE))
        except ChannelError:
            self._drop()
            raise
        except (asyncssh.Error, OSError, TimeoutError, EOFError) as error:
            reached = opened or self._sftp is not None
            self._drop()
            self._told(what, error, reached=reached, writes=writes)
        self._used = time.monotonic()
        return found

    async def _step(self, work: Callable[[asyncssh.SFTPClient], Awaitable[T]]) -> T:
        if self._sftp is None:
            self._connection = await self._connect()
            self._sftp = await self._connection.start_sftp_client()
        return await work(self._sftp)

    async def _connect(self) -> asyncssh.SSHClientConnection:
        host, port = self._place
        known = _read_key("sftp_host_key", asyncssh.import_public_key, self._host_key)
        keys = None
        if self._private_key:
            keys = [_read_key("sftp_private_key", asyncssh.import_private_key, self._private_key)]
        try:
            return await asyncssh.connect(
                host,
                port,
                username=self._user,
                password=self._password or None,
                client_keys=keys,
                known_hosts=([known], [], []),
                server_host_key_algs=_preferred(known),
                agent_path=None,
                config=None,
                gss_auth=False,
                gss_kex=False,
            )
        except (asyncssh.HostKeyNotVerifiable, asyncssh.KeyExchangeFailed) as error:
            raise Unauthorized(
                f"{host}:{port} does not show the key that sftp_host_key names ({error}); nothing was "
                "sent. Ask the warehouse whether its server has a new key, and only then write that down"
            ) from None
        except asyncssh.PermissionDenied:
            raise Unauthorized(
                f"{host}:{port} does not let the user {self._user} in; renew the password or the key"
            ) from None

    def _told(self, what: str, error: Exception, *, reached: bool, writes: bool) -> NoReturn:
        host, port = self._place
        place = f"{host}:{port}{self._root}/{what}"
        if isinstance(error, asyncssh.SFTPPermissionDenied):
            raise Unauthorized(f"{place}: permission denied; let {self._user} read and write there") from None
        if not reached:
            raise Unavailable(f"{host}:{port} cannot be reached ({_why(error)})") from None
        raise Unavailable(f"{place}: {_why(error)}", ambiguous=writes) from None

    def _drop(self) -> None:
        connection, self._connection, self._sftp = self._connection, None, None
        if connection is not None and self._runner is not None:
            connection.abort()
            self._runner.run(connection.wait_closed())


def _why(error: Exception) -> str:
    """What went wrong, without the numbers of it."""
    if isinstance(error, TimeoutError):
        return "TimeoutError"
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno) if error.errno > 0 else str(error.strerror)
    return str(error) or type(error).__name__


def _read_key(key: str, read: Callable[[str], T], text: str) -> T:
    try:
        return read(text)
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise Unauthorized(f"{key} cannot be read: {error}; write it as OpenSSH does") from None


def _preferred(known: asyncssh.SSHKey) -> list[str]:
    """The kind that was written down first: a server with several keys shows that one."""
    own = [name.decode() for name in known.sig_algorithms]
    return sorted(KINDS, key=lambda kind: kind not in own)
