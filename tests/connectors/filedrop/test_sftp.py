"""Folders on a server over SFTP: the contract of warehouses, and whom we speak to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import asyncssh
import pytest
from pydantic import SecretStr, ValidationError

from connectors.filedrop import FileDrop, sftp
from core.conformance.far_end import Failure
from core.conformance.warehouses import WarehouseConformance
from core.errors import Unauthorized, Unavailable
from core.model import AckState
from tests.connectors.filedrop.depot import FileDepot
from tests.connectors.filedrop.server import SftpServer
from tests.connectors.filedrop.test_files import work

PASSWORD = "open"


@pytest.fixture
def yard(tmp_path: Path) -> FileDepot:
    return FileDepot(tmp_path / "server" / "drop")


@pytest.fixture
def server(yard: FileDepot) -> Iterator[SftpServer]:
    made = SftpServer(yard.root.parent)
    yield made
    made.end()


def connect(server: SftpServer, **keys: Any) -> FileDrop:
    given = {
        "connector": "filedrop",
        "folder": "/drop",
        "settle_seconds": 0,
        "unended_seconds": 0,
        "sftp_host": "127.0.0.1",
        "sftp_port": server.port,
        "sftp_user": "depot",
        "sftp_host_key": server.host_key,
        "sftp_password": SecretStr(PASSWORD),
    }
    return FileDrop("depot", FileDrop.Settings(**given | keys))


class TestFileDropOverSftp(WarehouseConformance):
    impossible: ClassVar[Mapping[Failure, str]] = {
        Failure.UNAUTHORIZED: "who is in stays in: a wrong password and another host key are tried below",
        Failure.LOST_ANSWER: "this server loses no answer; what a connection breaks off is tried below",
    }

    @pytest.fixture
    def warehouse(self, server: SftpServer) -> Iterator[FileDrop]:
        self.opened: list[FileDrop] = []
        made = connect(server)
        yield made
        for each in (made, *self.opened):
            each.close()

    def again(self, warehouse: Any) -> Any:
        other = FileDrop(warehouse.name, warehouse.settings)
        self.opened.append(other)
        return other


@pytest.fixture
def warehouse(server: SftpServer) -> Iterator[FileDrop]:
    made = connect(server)
    yield made
    made.close()


def test_a_server_with_another_key_is_sent_nothing_and_gives_nothing(yard: FileDepot, server: SftpServer) -> None:
    (ack,) = (known := connect(server)).release([work()])
    assert ack.state is AckState.ACCEPTED
    logins = server.logins
    yard.upload("answers", "work,answer,at", ("OS-1", "accepted", "2026-11-02T12:02:00Z"))
    before = server.host_key
    server.stop()
    server.key = asyncssh.generate_private_key("ssh-ed25519")
    server.start()
    for warehouse in (known, connect(server, sftp_host_key=before)):
        with pytest.raises(Unauthorized, match="does not show the key that sftp_host_key names"):
            list(warehouse.release([work("OS-2")])) if warehouse is not known else list(_twice(warehouse))
        with pytest.raises(Unauthorized):
            list(warehouse.events(None))
        warehouse.close()
    assert server.logins == logins  # nobody showed a password to a stranger
    assert sorted(yard.works()) == ["OS-1"]


def _twice(warehouse: FileDrop) -> Any:
    """A connection that was there when the server went breaks; the next one meets the stranger."""
    try:
        yield from warehouse.release([work("OS-2")])
    except Unavailable:
        yield from warehouse.release([work("OS-2")])


def test_a_key_of_another_kind_is_a_stranger_too(server: SftpServer) -> None:
    other = asyncssh.generate_private_key("ecdsa-sha2-nistp256").export_public_key().decode().split()
    warehouse = connect(server, sftp_host_key=f"{other[0]} {other[1]}")
    with pytest.raises(Unauthorized, match="Ask the warehouse"):
        list(warehouse.release([work()]))
    assert server.logins == 0
    warehouse.close()


def test_of_several_keys_the_one_that_was_written_down_is_asked_for(server: SftpServer) -> None:
    server.stop()
    server.more = [asyncssh.generate_private_key("ecdsa-sha2-nistp256")]
    server.start()
    for key in (server.key, *server.more):
        kind, text, *_ = key.export_public_key().decode().split()
        warehouse = connect(server, sftp_host_key=f"{kind} {text}")
        assert next(iter(warehouse.release([work(f"OS-{kind}")]))).state is AckState.ACCEPTED
        warehouse.close()


def test_a_wrong_password_is_for_a_person(server: SftpServer) -> None:
    warehouse = connect(server, sftp_password=SecretStr("shut"))
    with pytest.raises(Unauthorized, match="does not let the user depot in"):
        list(warehouse.events(None))
    warehouse.close()


def test_a_private_key_opens_the_door(server: SftpServer) -> None:
    key = SecretStr(server.users_key.export_private_key().decode())
    warehouse = connect(server, sftp_password=None, sftp_private_key=key)
    assert next(iter(warehouse.release([work()]))).state is AckState.ACCEPTED
    warehouse.close()
    torn = connect(server, sftp_password=None, sftp_private_key=SecretStr("-----BEGIN"))
    with pytest.raises(Unauthorized, match=r"^sftp_private_key cannot be read"):
        list(torn.release([work()]))
    torn.close()


def test_a_server_that_is_gone_is_an_outage_and_is_found_again(
    yard: FileDepot, server: SftpServer, warehouse: FileDrop
) -> None:
    list(warehouse.release([work()]))
    server.stop()
    for _ in range(2):
        with pytest.raises(Unavailable):
            list(warehouse.events(None))
    server.start()
    assert list(warehouse.events(None)) == []
    (ack,) = warehouse.release([work("OS-2")])
    assert ack.state is AckState.ACCEPTED
    assert sorted(yard.works()) == ["OS-1", "OS-2"]


def test_a_connection_that_breaks_in_a_write_leaves_it_in_doubt(
    yard: FileDepot, server: SftpServer, warehouse: FileDrop, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(warehouse.release([work()]))
    rename = sftp.Remote._rename

    async def breaks(self: Any, client: Any, old: str, new: str) -> None:
        await rename(self, client, old, new)
        if new.endswith("/out/work-OS-2.csv"):
            raise asyncssh.ConnectionLost("gone")

    monkeypatch.setattr(sftp.Remote, "_rename", breaks)
    with pytest.raises(Unavailable) as lost:
        list(warehouse.release([work("OS-2")]))
    assert lost.value.ambiguous
    assert lost.value.keys == {"OS-2"}
    monkeypatch.undo()
    yard.works()
    assert next(iter(warehouse.release([work("OS-2")]))).state is AckState.ACCEPTED
    assert yard.works()["OS-2"].times == 1


def test_a_server_that_drips_is_an_outage(warehouse: FileDrop, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    async def drip(self: Any, work: Any) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(sftp, "DEADLINE", 0.05)
    monkeypatch.setattr(sftp.Remote, "_step", drip)
    with pytest.raises(Unavailable, match="TimeoutError"):
        list(warehouse.events(None))


@pytest.mark.parametrize(
    ("lacks", "told"),
    [({"sftp_user": ""}, "without sftp_user"), ({"sftp_host_key": ""}, "without sftp_host_key"),
     ({"sftp_password": None}, "nothing proves"), ({"sftp_host_key": "what is this"}, "pattern")],
)  # fmt: skip
def test_a_server_is_named_whole(server: SftpServer, lacks: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        connect(server, **lacks)


def test_nothing_secret_is_in_what_is_told(server: SftpServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    warehouse = connect(server, sftp_password=SecretStr("shut-and-secret"))
    with pytest.raises(Unauthorized) as refused:
        list(warehouse.events(None))
    warehouse.close()
    assert "shut-and-secret" not in str(refused.value) + caplog.text


def test_a_folder_that_is_not_there_is_no_empty_one(yard: FileDepot, warehouse: FileDrop) -> None:
    (yard.root / "in").rename(yard.root / "inn")
    for step in (lambda: list(warehouse.events(None)), lambda: list(warehouse.release([work()]))):
        with pytest.raises(Unavailable, match=r"^127\.0\.0\.1:\d+/drop/in: no such folder; make it") as found:
            step()
        assert not found.value.ambiguous
    assert not (yard.root / "out").exists()
    (yard.root / "inn").rename(yard.root / "in")
    assert next(iter(warehouse.release([work()]))).state is AckState.ACCEPTED


def test_a_server_that_cannot_be_reached_is_named_in_plain_words(server: SftpServer, warehouse: FileDrop) -> None:
    server.stop()
    with pytest.raises(Unavailable, match=rf"^127\.0\.0\.1:{server.port} cannot be reached \(Connection refused\)$"):
        list(warehouse.events(None))


@pytest.mark.parametrize("line", ["{}", "[127.0.0.1]:2222 {}", "{} root@depot", " {}\n"])
def test_a_host_key_may_be_pasted_with_its_whole_line(server: SftpServer, line: str) -> None:
    warehouse = connect(server, sftp_host_key=line.format(server.host_key))
    assert next(iter(warehouse.release([work()]))).state is AckState.ACCEPTED
    warehouse.close()
