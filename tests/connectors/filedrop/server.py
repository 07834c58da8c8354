"""An SFTP server on a real socket, over a folder of this machine."""

from __future__ import annotations

import asyncio
import logging
import threading
from pathlib import Path
from typing import Any

import asyncssh

logging.getLogger("asyncssh").setLevel(logging.WARNING)


class SftpServer:
    """Lets `depot` in with the password `open`, or with its key; the folder is `/drop`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.key = asyncssh.generate_private_key("ssh-ed25519")
        self.users_key = asyncssh.generate_private_key("ssh-ed25519")
        self.more: list[asyncssh.SSHKey] = []
        self.logins = 0
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._listening: asyncssh.SSHAcceptor | None = None
        self.start()

    @property
    def host_key(self) -> str:
        kind, key, *_ = self.key.export_public_key().decode().split()
        return f"{kind} {key}"

    def start(self) -> None:
        self._run(self._start())

    def stop(self) -> None:
        """No more connections, and those there are break off."""
        self._run(self._stop())

    def end(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    async def _start(self) -> None:
        door, root = self, str(self.root).encode()

        class Login(asyncssh.SSHServer):
            def connection_made(self, connection: asyncssh.SSHServerConnection) -> None:
                door._connections.append(connection)

            def begin_auth(self, username: str) -> bool:
                return True

            def password_auth_supported(self) -> bool:
                return True

            def validate_password(self, username: str, password: str) -> bool:
                door.logins += 1
                return (username, password) == ("depot", "open")

            def public_key_auth_supported(self) -> bool:
                return True

            def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
                door.logins += 1
                return username == "depot" and key.public_data == door.users_key.public_data

        self._connections: list[asyncssh.SSHServerConnection] = []
        self._listening = await asyncssh.listen(
            "127.0.0.1",
            self.port,
            server_host_keys=[self.key, *self.more],
            server_factory=Login,
            sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=root),
        )
        self.port = self._listening.get_port()

    async def _stop(self) -> None:
        if self._listening is not None:
            for connection in self._connections:
                connection.abort()
            self._listening.close()
            await self._listening.wait_closed()
            self._listening = None
