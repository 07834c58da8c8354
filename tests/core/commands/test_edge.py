"""Every mistake a user can make is one line on stderr and its exit code; a bug is none of these."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from connectors.sandbox import FarEnd
from core.commands import status
from core.commands.app import build
from core.commands.edge import one_line
from core.store import database
from tests.core.commands.desk import Desk


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("statsu",), "no such command 'statsu'. Did you mean 'status'; see `ordersync --help`"),
        (("stock", "shwo"), "no such command 'shwo'. Did you mean 'show'; see `ordersync stock --help`"),
        (("status", "--jsno"), "no such option: --jsno (Possible options: --json); see `ordersync status --help`"),
        (("order",), "missing argument 'ORDER'; see `ordersync order --help`"),
        (("orders", "--limit", "many"), "invalid value for '--limit': Input should be a valid integer"),
        (("orders", "--status", "lost"), "invalid value for '--status': 'lost' is not one of 'empty', 'cancelled'"),
        (
            ("stock", "receive", "TEE", "east", "-15"),
            "a number below zero is not taken here; see `ordersync stock receive --help`",
        ),
        (("metrics", "--p90"), "no such option: --p90; see `ordersync metrics --help`"),
        (
            ("resync", "shop", "--since", "%Y"),
            "invalid value for '--since': '%Y' does not match the formats 'YYYY-MM-DD', 'YYYY-MM-DDTHH:MM:SS', "
            "'YYYY-MM-DDTHH:MM:SS+HH:MM', 'YYYY-MM-DD HH:MM:SS'; see `ordersync resync --help`",
        ),
        (
            ("stock", "history", "TEE", "--at", "9999-12-31T23:59:59-0500"),
            "9999-12-31T23:59:59-05:00 lies outside the years 1 to 9999 in UTC; name a nearer time",
        ),
        (("metrics", "--to", "9999-12-31"), "--to 9999-12-31 lies outside the years 1970 to 2999; name a nearer day"),
        (("metrics", "--from", "0001-01-01"), "--from 0001-01-01 lies outside the years 1970 to 2999"),
        (("metrics", "explain", "late_rate", "--to", "0001-01-01"), "--to 0001-01-01 lies outside the years"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(desk: Desk, args: tuple[str, ...], told: str) -> None:
    ran = desk.run(*args)
    assert (ran.code, ran.out) == (2, "")
    assert ran.told.startswith(f"ordersync: {told}")


def test_a_demo_that_cannot_be_kept_there_is_one_line_and_exit_2(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = CliRunner().invoke(build(), ["demo", "--keep", str(tmp_path / "file" / "sub")])
    assert result.exit_code == 2
    assert result.stderr == (
        f"ordersync: {tmp_path}/file/sub cannot be made: Not a directory; name a folder that can\n"
    )


@pytest.mark.parametrize("args", [("status",), ("round",), ("plan",), ("orders",), ("verify",), ("stock", "show")])
def test_a_folder_that_is_not_there_is_exit_2(desk: Desk, args: tuple[str, ...]) -> None:
    for file in desk.config.glob("*.toml"):
        file.unlink()
    (desk.config / "channels").rmdir()
    desk.config.rmdir()
    ran = desk.run(*args)
    assert (ran.code, ran.out) == (2, "")
    assert ran.told.endswith("no such folder; name the right one with --config DIR")


def test_every_problem_of_the_configuration_is_a_line_of_its_own(desk: Desk) -> None:
    desk.write("ordersync.toml", "[log]\nlevl = 'info'\n[daemon]\ntick_seconds = 0\n")
    ran = desk.run("status")
    assert ran.code == 2
    assert ran.err.splitlines() == [
        "ordersync: ordersync.toml: daemon.tick_seconds: too small; write at least 1",
        "ordersync: ordersync.toml: log: unknown key `levl`; did you mean `level`?",
        "ordersync: channels: no channel is configured yet; copy an example there to channels/NAME.toml and fill it in",
    ]


def test_a_store_that_another_process_holds_is_exit_4(
    desk: Desk, shop: FarEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    other = sqlite3.connect(desk.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        ran = desk.run("stock", "receive", "TEE", "east", 1)
    finally:
        other.close()
    assert (ran.code, ran.out) == (4, "")
    assert ran.told == (
        "ordersync: the store cannot be used: database is locked; "
        "another process is writing to it; stop that one or try again"
    )


def test_a_file_that_is_no_database_is_exit_4(desk: Desk) -> None:
    desk.path.write_text("orders, orders, orders\n" * 100)
    ran = desk.run("status")
    assert (ran.code, ran.out) == (4, "")
    assert ran.told == ("ordersync: the store cannot be used: file is not a database; let store.url name another file")


def test_a_store_of_a_newer_version_is_exit_4(desk: Desk) -> None:
    desk.change("UPDATE alembic_version SET version_num = '9999'")
    ran = desk.run("status")
    assert ran.code == 4
    assert ran.told.startswith("ordersync: the store has schema 9999, which this version of ordersync does not know")


def test_a_server_that_cannot_be_reached_is_exit_4_and_its_password_a_secret(desk: Desk) -> None:
    desk.write(
        "ordersync.toml",
        '[store]\nurl = "postgresql+psycopg://us@127.0.0.1:1/orders"\npassword = "secret:STORE_PASSWORD"\n',
    )
    ran = desk.run("orders", env={"STORE_PASSWORD": "never-to-be-seen"})
    assert ran.code == 4
    assert ran.told.startswith("ordersync: the store cannot be used: ")
    assert "never-to-be-seen" not in ran.err


def test_a_bug_is_not_dressed_up_as_the_users_mistake(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(status, "standing", broken)
    with pytest.raises(ZeroDivisionError):
        desk.run("status")


def test_ctrl_c_is_silent_and_exit_130(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(status, "standing", pressed)
    ran = desk.run("status")
    assert (ran.code, ran.out, ran.err.strip()) == (130, "", "")


def test_help_is_not_an_error_line(desk: Desk) -> None:
    ran = desk.run("stock", "receive", "--help")
    assert (ran.code, ran.err) == (0, "")
    assert "Units came to a location" in ran.out


def test_no_text_spans_lines_or_moves_the_cursor() -> None:
    assert one_line("a\nb\x1b[31mc\x00") == "a b?[31mc?"
