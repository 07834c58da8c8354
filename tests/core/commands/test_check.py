"""`ordersync check`: one line for each problem; nothing is changed."""

from __future__ import annotations

from connectors.sandbox import FarEnd
from core.credentials import Grant
from core.store.credentials import Kept
from core.store.seal import Seal
from tests.core.commands.desk import Desk


def test_a_sound_configuration_is_exit_0(desk: Desk, shop: FarEnd) -> None:
    ran = desk.run("check")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == "configuration is sound: 1 channel (shop); store is up to date\n"
    assert desk.ok("check") == {
        "sound": True,
        "problems": [],
        "store": "is up to date",
        "channels": ["shop"],
        "warehouses": [],
    }


def test_each_problem_is_one_line_and_exit_2(desk: Desk, shop: FarEnd) -> None:
    desk.write("channels/outlet.toml", 'connector = "sandbx"\n')
    desk.write("routing.toml", "splitt = true\n")
    ran = desk.run("check")
    assert ran.code == 2
    assert [line.split(": ")[0] for line in ran.out.splitlines()] == ["routing.toml", "channels/outlet.toml"]
    told = desk.run("check", "--json")
    assert (told.code, told.json["sound"], len(told.json["problems"])) == (2, False, 2)
    assert told.json["problems"][0]["cure"] == "did you mean `split`?"


def test_a_store_that_is_not_there_yet_is_not_made(desk: Desk, shop: FarEnd) -> None:
    desk.path.unlink()
    ran = desk.run("check")
    assert (ran.code, desk.path.exists()) == (0, False)
    assert ran.out.endswith("store ordersync.sqlite is made when it is first used\n")


def test_a_store_nobody_can_make_is_exit_4(desk: Desk, shop: FarEnd) -> None:
    desk.write("ordersync.toml", '[store]\nurl = "sqlite:///nowhere/orders.sqlite"\n')
    ran = desk.run("check")
    assert ran.code == 4
    assert ran.out.startswith("store: there is no folder ")


def test_a_server_that_does_not_answer_is_exit_4(desk: Desk, shop: FarEnd) -> None:
    desk.write("ordersync.toml", '[store]\nurl = "postgresql+psycopg://us@127.0.0.1:1/orders"\n')
    ran = desk.run("check", "--json")
    assert (ran.code, ran.json["sound"]) == (4, False)
    assert ran.json["store"].startswith("the store cannot be used: ")


def test_a_file_that_is_no_store_is_exit_4_and_one_line(desk: Desk, shop: FarEnd) -> None:
    desk.path.write_bytes(b"a picture, perhaps " * 100)
    for command in ("check", "issues", "status"):
        ran = desk.run(command)
        assert ran.code == 4, command
        assert (ran.out + ran.err).count("\n") == 1, command
        assert "not a database; let store.url name another file" in ran.out + ran.err, command


def test_a_newer_store_is_exit_4_and_an_older_one_is_left_as_it_is(desk: Desk, shop: FarEnd) -> None:
    desk.change("UPDATE alembic_version SET version_num = '9999'")
    assert desk.run("check").code == 4
    desk.change("DELETE FROM alembic_version")
    ran = desk.run("check")
    assert ran.code == 0
    assert ran.out.endswith("store is brought up to date when it is next used\n")
    assert desk.rows("SELECT count(*) FROM alembic_version")[0][0] == 0


def test_tokens_the_key_does_not_open_are_told(desk: Desk, shop: FarEnd) -> None:
    store = desk.store()
    keeper = Kept(store, "shop", Seal([b"o" * 32]))
    grant = Grant(access="canary", expires_at=1.0, renew_at=1.0)
    assert keeper.save("access", "", grant, keeper.lease("access", 60.0))
    store.close()
    desk.write("ordersync.toml", '[store]\nencryption_key = "secret:KEY"\n')
    ran = desk.run("check", env={"KEY": "ab" * 32})
    assert ran.code == 2
    assert ran.out == (
        "ordersync.toml: store.encryption_key: the token kept for shop cannot be read; it was encrypted with another "
        "key; name that key in encryption_keys_old under [store]\n"
    )
    desk.write("ordersync.toml", '[store]\nencryption_key = "secret:KEY"\nencryption_keys_old = ["secret:OLD"]\n')
    assert desk.run("check", env={"KEY": "ab" * 32, "OLD": (b"o" * 32).hex()}).code == 0
