"""`ordersync doctor`: what is found of accounts and store, and how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from connectors.sandbox import FarEnd, Sandbox
from core.store.credentials import Kept
from core.store.health import examine_store, filesystem
from tests.core.commands.desk import Desk


def test_accounts_and_store_in_order(desk: Desk, shop: FarEnd) -> None:
    told = desk.ok("doctor")
    assert told["well"]
    assert {(one["channel"], one["what"]) for one in told["findings"]} >= {
        ("store", "store"), ("store", "disk"), ("store", "space"), ("shop", "credentials"), ("shop", "listings"),
    }  # fmt: skip
    ran = desk.run("doctor")
    assert ran.code == 0
    assert "2 on offer" in ran.out
    assert "everything is well" in ran.out


def test_refused_credentials_end_with_3_and_what_to_do(desk: Desk, shop: FarEnd) -> None:
    desk.channel("other")
    shop.fail("unauthorized")
    ran = desk.run("doctor", "--json")
    ill = [(one["channel"], one["told"]) for one in ran.json["findings"] if not one["well"]]
    assert (ran.code, ill) == (3, [("shop", "shop refused the credentials; renew them and restart")])
    assert desk.run("doctor", "other").code == 0
    assert "1 finding to mend" in desk.run("doctor").out


def test_an_account_is_examined_with_the_token_that_the_store_keeps(
    desk: Desk, shop: FarEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed: list[object] = []
    monkeypatch.setattr(Sandbox, "__init__", lambda self, name, settings, keeper=None: handed.append(keeper))
    monkeypatch.setattr(Sandbox, "examine", lambda self: iter(()))
    monkeypatch.setattr(Sandbox.Settings, "keeps_tokens", property(lambda self: "world"))
    desk.write("ordersync.toml", '[store]\nencryption_key = "secret:KEY"\n')
    key = {"KEY": "ab" * 32}
    assert desk.run("doctor", env=key).code == 0
    assert [type(keeper) for keeper in handed] == [Kept]
    desk.change("DELETE FROM alembic_version")
    ran = desk.run("doctor", "--json", env=key)
    assert (ran.code, len(handed)) == (3, 1), "the first token would be refused, though nothing is wrong with it"
    assert [one["what"] for one in ran.json["findings"] if not one["well"]] == ["credentials"]


def test_a_store_that_cannot_be_used_ends_with_4(desk: Desk, shop: FarEnd) -> None:
    desk.change("UPDATE alembic_version SET version_num = '9999'")
    ran = desk.run("doctor", "--json")
    (ill,) = [one for one in ran.json["findings"] if not one["well"]]
    assert (ran.code, ill["channel"]) == (4, "store")
    assert "install the version that wrote it" in ill["told"]


def test_a_network_disk_is_refused_for_sqlite(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "22 1 254:1 / / rw shared:1 - ext4 /dev/vda rw\n"
        f"30 22 0:50 / {tmp_path} rw shared:2 master:1 - nfs4 server:/x rw\n"
    )
    found = {one.what: one for one in examine_store(sa.make_url(f"sqlite:///{tmp_path}/store.sqlite"), mounts)}
    assert not found["disk"].well
    assert "network disk (nfs4)" in found["disk"].told
    assert filesystem(Path("/usr"), mounts) == "ext4"


def test_a_mount_point_with_a_space_is_understood(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text("22 1 254:1 / / rw - ext4 /dev/vda rw\n30 22 0:50 / /mnt/two\\040words rw - cifs //server/x rw\n")
    assert filesystem(Path("/mnt/two words/in"), mounts) == "cifs"


def test_a_folder_that_is_not_there_is_said_so(desk: Desk, shop: FarEnd) -> None:
    desk.write("ordersync.toml", '[store]\nurl = "sqlite:///nowhere/store.sqlite"\n')
    ran = desk.run("doctor")
    assert ran.code == 4
    assert "there is no folder" in ran.out
