"""The configuration folder as settings, and one clear line for everything that can be wrong in it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from core.errors import UserError
from core.model import Location
from core.settings import ChannelSettings, ConfigError, StoreSettings, load
from tests.core.configured import ENVIRON, SOUND, TOKEN, Shop, mend, plugins, told, write


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    plugins(monkeypatch)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "config", SOUND)


def test_a_sound_folder_is_settings_of_each_connectors_own_kind(folder: Path) -> None:
    settings = load(folder, ENVIRON)
    shop = settings.channels["shop"]
    assert isinstance(shop, Shop.Settings)
    assert (shop.shop, shop.buffer, shop.cap, shop.marketplaces) == ("acme", 2, None, ("US", "CA"))
    assert shop.access_token.get_secret_value() == TOKEN
    assert list(settings.channels) == ["other", "shop"]
    assert shop.locations == {"east": "gid://1", "west": ""}
    assert settings.locations[0].as_location() == Location(name="east", postal_code="07102")
    assert (settings.log.level, settings.must_route().split, settings.daemon.tick_seconds) == ("debug", False, 1)
    assert settings.problems == ()


def test_settings_never_show_a_secret(folder: Path) -> None:
    settings = load(folder, ENVIRON)
    assert TOKEN not in f"{settings!r} {settings.channels['shop']!s} {settings.channels['shop'].model_dump()!r}"


def test_settings_cannot_be_changed(folder: Path) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load(folder, ENVIRON).channels["shop"].buffer = 9  # type: ignore[misc]


BROKEN = {
    "an unknown key and its nearest valid one": (
        ("channels/shop.toml", "buffer = 2", "bufer = 2"),
        "channels/shop.toml: unknown key `bufer`; did you mean `buffer`?",
    ),
    "an unknown key like no other": (
        ("routing.toml", "split = false", "colour = 1"),
        "routing.toml: unknown key `colour`; use one of: costs, late, rank, services, ship_complete, "
        "split, split_above, zones",
    ),
    "an unknown table": (
        ("ordersync.toml", "[log]", "[logs]"),
        "ordersync.toml: unknown key `logs`; did you mean `log`?",
    ),
    "an unknown key in a table": (
        ("ordersync.toml", "level =", "levle ="),
        "ordersync.toml: log: unknown key `levle`; did you mean `level`?",
    ),
    "a wrong type": (
        ("channels/shop.toml", "buffer = 2", 'cap = "2"'),
        "channels/shop.toml: cap: a whole number is expected; write for example cap = 50",
    ),
    "a number that is none": (
        ("channels/shop.toml", "buffer = 2", "cap = true"),
        "channels/shop.toml: cap: a whole number is expected; write for example cap = 50",
    ),
    "a negative number": (
        ("channels/shop.toml", "buffer = 2", "cap = -1"),
        "channels/shop.toml: cap: too small; write at least 0",
    ),
    "a buffer that is neither a number nor auto": (
        ("channels/shop.toml", "buffer = 2", 'buffer = "often"'),
        'channels/shop.toml: buffer: no buffer; write a whole number from 0, or "auto"',
    ),
    "a share over 100": (
        ("channels/shop.toml", "buffer = 2", "percent = 101"),
        "channels/shop.toml: percent: too large; write at most 100",
    ),
    "a choice there is not": (
        ("channels/shop.toml", "buffer = 2", 'match = "title"'),
        'channels/shop.toml: match: no known choice; write "sku" or "mapped"',
    ),
    "a missing key": (
        ("channels/shop.toml", 'shop = "acme"\n', ""),
        "channels/shop.toml: shop: this key is missing; add it",
    ),
    "a day instead of an instant": (
        ("channels/shop.toml", "buffer = 2", "import_since = 2026-01-31"),
        "channels/shop.toml: import_since: an instant with its time zone is expected; "
        "write for example import_since = 2026-01-31T00:00:00Z",
    ),
    "an instant without a zone": (
        ("channels/shop.toml", "buffer = 2", "import_since = 2026-01-31T08:00:00"),
        "channels/shop.toml: import_since: an instant with its time zone is expected; "
        "write for example import_since = 2026-01-31T00:00:00Z",
    ),
    "an address that is none": (
        ("channels/shop.toml", "buffer = 2", 'base_url = "localhost:8000"'),
        "channels/shop.toml: base_url: no web address; write it in full, such as https://example.com",
    ),
    "a password in an address": (
        ("channels/shop.toml", "buffer = 2", f'base_url = "https://me:{TOKEN}@example.com"'),
        "channels/shop.toml: base_url: a web address may hold no user or password; leave out what stands before the @",
    ),
    "a key that stands twice": (
        ("channels/shop.toml", "buffer = 2", "buffer = 2\nbuffer = 3"),
        "channels/shop.toml:6: a key or table that stands above already; keep one of the two",
    ),
    "bad TOML": (
        ("channels/shop.toml", "buffer = 2", "buffer = two"),
        "channels/shop.toml:5: not valid TOML (Invalid value); mend this line; text needs quotes",
    ),
    "a file that breaks off": (
        ("channels/shop.toml", 'marketplaces = ["US", "CA"]\n', 'marketplaces = ["US", '),
        "channels/shop.toml:6: the file breaks off here (half-written?); write it to its end",
    ),
    "an unknown connector": (
        ("channels/shop.toml", 'connector = "shop"', 'connector = "shoop"'),
        "channels/shop.toml: connector: no connector is called 'shoop'; "
        "did you mean `shop`? (write one of: shop, torn, unsettled)",
    ),
    "a connector that cannot be loaded": (
        ("channels/shop.toml", 'connector = "shop"', 'connector = "torn"'),
        "channels/shop.toml: connector: the connector 'torn' cannot be loaded (ModuleNotFoundError: "
        "No module named 'tests.core.no_such_module'); install it anew or write to its author",
    ),
    "a connector without settings": (
        ("channels/shop.toml", 'connector = "shop"', 'connector = "unsettled"'),
        "channels/shop.toml: connector: the connector 'unsettled' has no Settings derived from ChannelSettings; "
        "write to its author",
    ),
    "no connector": (
        ("channels/shop.toml", 'connector = "shop"\n', ""),
        'channels/shop.toml: connector: this key is missing; add connector = "…"; write one of: shop, torn, unsettled',
    ),
    "a secret in the file": (
        ("channels/shop.toml", "secret:SHOP_TOKEN", TOKEN),
        "channels/shop.toml: access_token: a secret may not stand in the file itself; "
        'write "secret:NAME" and give the value in the environment variable NAME or in the file $NAME_FILE names',
    ),
    "an absent secret": (
        ("channels/shop.toml", "secret:SHOP_TOKEN", "secret:SHOP_KEY"),
        "channels/shop.toml: access_token: the secret SHOP_KEY is absent; set the environment variable SHOP_KEY, "
        "let SHOP_KEY_FILE name a file, or put a file SHOP_KEY into $CREDENTIALS_DIRECTORY",
    ),
    "a location that does not exist": (
        ("channels/shop.toml", "{ east =", "{ eats ="),
        "channels/shop.toml: locations.eats: no such location in locations.toml; use one of: east, west",
    ),
    "no location": (
        ("channels/shop.toml", '{ east = "gid://1", west = "" }', "{}"),
        "channels/shop.toml: locations: no location ships for this channel; "
        'write for example locations = { east = "" }',
    ),
    "a location that stands twice": (
        ("locations.toml", '"west"', '"east"'),
        "locations.toml: the location east stands twice; give one of the two another name",
    ),
    "a ZIP code that is none": (
        ("locations.toml", '"07102"', '"0710"'),
        'locations.toml: locations #1: the postal_code is no US ZIP code; write five digits in quotes, such as "10001"',
    ),
    "a rule there is not": (
        ("routing.toml", "split = false", 'rank = ["nearness"]'),
        'routing.toml: rank #1: no known choice; write "priority", "distance", "zone", "cost", "balance" or "ship_day"',
    ),
    "a password in the store's url": (
        ("ordersync.toml", "[log]", f'[store]\nurl = "postgresql+psycopg://me:{TOKEN}@db/sync"\n[log]'),
        "ordersync.toml: store.url: a password may not stand in the url; "
        'take it out and write password = "secret:NAME"',
    ),
    "a database that is not known": (
        ("ordersync.toml", "[log]", '[store]\nurl = "mysql://db/sync"\n[log]'),
        "ordersync.toml: store.url: this kind of database is not known; "
        "write sqlite:///FILE or postgresql+psycopg://USER@HOST/DATABASE",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_wrong_is_told_in_one_line(folder: Path, case: str) -> None:
    (file, old, new), line = BROKEN[case]
    mend(folder, file, old, new)
    assert told(folder) == [line]


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_channel_is_left_out_and_a_broken_shared_file_stops_everything(folder: Path, case: str) -> None:
    (file, old, new), line = BROKEN[case]
    mend(folder, file, old, new)
    if file.startswith("channels/"):
        settings = load(folder, ENVIRON)
        assert list(settings.channels) == ["other"]
        assert [str(problem) for problem in settings.problems] == [line]
    else:
        with pytest.raises(ConfigError) as caught:
            load(folder, ENVIRON).must_route()  # whatever does not route goes on without the rules
        assert str(caught.value) == line
        assert isinstance(caught.value, UserError)
        assert caught.value.code == 2


def test_text_that_is_not_utf8_is_told_with_its_line(folder: Path) -> None:
    write(folder, {"routing.toml": b"split = true\n# caf\xe9\n"})
    assert told(folder) == ["routing.toml:2: not UTF-8 text; save the file as UTF-8"]


def test_a_byte_order_mark_does_no_harm(folder: Path) -> None:
    write(folder, {"routing.toml": b"\xef\xbb\xbfsplit = true\n"})
    assert told(folder) == []


def test_an_empty_file_is_half_written_and_never_means_the_defaults(folder: Path) -> None:
    write(folder, {"ordersync.toml": " \n"})
    assert told(folder) == ["ordersync.toml: the file is empty (half-written?); write it anew, or remove it"]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert told(tmp_path / "conf") == [f"{tmp_path}/conf: no such folder; name the right one with --config DIR"]


def test_an_empty_folder_lacks_its_two_files(tmp_path: Path) -> None:
    found = told(tmp_path)
    assert [line.partition(":")[0] for line in found] == ["ordersync.toml", "locations.toml", "channels"]


def test_a_file_that_cannot_be_read_is_told(folder: Path) -> None:
    (folder / "channels/dangling.toml").symlink_to(folder / "nowhere")
    assert told(folder) == [
        "channels/dangling.toml: cannot be read: No such file or directory; mend it or its permissions"
    ]


def test_a_file_nobody_reads_is_told(folder: Path) -> None:
    write(folder, {"rooting.toml": "split = true"})
    assert told(folder) == ["rooting.toml: nothing reads a file of this name; did you mean `routing.toml`?"]


def test_a_channel_file_with_a_name_no_channel_can_have_is_told(folder: Path) -> None:
    (folder / "channels/shop.toml").rename(folder / "channels/Shop 1.toml")
    assert told(folder) == [
        "channels/Shop 1.toml: no channel can be called 'Shop 1'; rename it: small letters, digits, - and _"
    ]


def test_a_key_full_of_control_letters_cannot_write_to_the_terminal(folder: Path) -> None:
    mend(folder, "routing.toml", "split", '"\\u001b[31m\\n"')
    (line,) = told(folder)
    assert line.startswith("routing.toml: unknown key `?[31m `;")


def test_everything_wrong_is_told_at_once(folder: Path) -> None:
    mend(folder, "channels/shop.toml", "buffer = 2", 'bufer = 2\npercent = 0\nmatch = "x"')
    mend(folder, "routing.toml", "split = false", "split = 1")
    assert told(folder) == [
        "routing.toml: split: true or false is expected; write for example split = true",
        "channels/shop.toml: percent: too small; write at least 1",
        'channels/shop.toml: match: no known choice; write "sku" or "mapped"',
        "channels/shop.toml: unknown key `bufer`; did you mean `buffer`?",
    ]


def test_two_files_of_one_account_are_both_left_out(folder: Path) -> None:
    write(folder, {"channels/copy.toml": (folder / "channels/shop.toml").read_text() + "cap = 5\n"})
    settings = load(folder, ENVIRON)
    assert list(settings.channels) == ["other"]
    cure = "keep one of the files; its orders would count twice"
    assert told(folder) == [
        f"channels/copy.toml: the same account as channels/shop.toml; {cure}",
        f"channels/shop.toml: the same account as channels/copy.toml; {cure}",
    ]


def test_two_accounts_of_one_connector_are_two_files(folder: Path) -> None:
    assert {channel.connector for channel in load(folder, ENVIRON).channels.values()} == {"shop"}


def test_no_channel_yet_is_told_and_stops_nothing(tmp_path: Path) -> None:
    write(tmp_path, {name: text for name, text in SOUND.items() if not name.startswith("channels/")})
    assert told(tmp_path) == [
        "channels: no channel is configured yet; copy an example there to channels/NAME.toml and fill it in"
    ]
    assert load(tmp_path, ENVIRON).channels == {}


def test_a_disabled_channel_needs_no_secret_but_a_sound_file(folder: Path) -> None:
    mend(folder, "channels/shop.toml", "buffer = 2", "enabled = false")
    settings = load(folder, {"SHOP_TOKEN": TOKEN})
    assert (list(settings.channels), settings.disabled) == (["other"], ("shop",))
    mend(folder, "channels/other.toml", 'locations = { west = "7" }', "enabled = false")
    assert load(folder, {}).disabled == ("other", "shop")
    mend(folder, "channels/shop.toml", 'shop = "acme"', "shop = 1")
    assert [problem.key for problem in load(folder, {}).problems] == ["shop"]


def test_the_first_pull_reaches_back_to_the_instant_or_the_days(folder: Path) -> None:
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    shop = load(folder, ENVIRON).channels["shop"]
    assert shop.since(now) == datetime(2026, 11, 21, 12, tzinfo=UTC)
    mend(folder, "channels/shop.toml", "buffer = 2", "import_since = 2026-11-01T00:00:00+02:00")
    since = load(folder, ENVIRON).channels["shop"].since(now)
    assert since == datetime(2026, 10, 31, 22, tzinfo=UTC)
    assert since.tzinfo is UTC


def test_a_sqlite_file_stands_beside_the_configuration_folder(folder: Path) -> None:
    assert load(folder, ENVIRON).database.database == str(folder.parent / "ordersync.sqlite")
    mend(folder, "ordersync.toml", "[log]", '[store]\nurl = "sqlite:////var/lib/o.sqlite"\n[log]')
    assert load(folder, ENVIRON).database.database == "/var/lib/o.sqlite"


def test_the_stores_password_is_a_secret_that_only_the_url_to_open_holds(folder: Path) -> None:
    store = '[store]\nurl = "postgresql+psycopg://me@db/sync"\npassword = "secret:SHOP_TOKEN"\n[log]'
    mend(folder, "ordersync.toml", "[log]", store)
    settings = load(folder, ENVIRON)
    assert settings.database.password == TOKEN
    assert TOKEN not in f"{settings!r} {settings.database}"


def test_a_sqlite_file_has_no_password() -> None:
    with pytest.raises(ValidationError, match="a SQLite file has no password"):
        StoreSettings(password=SecretStr(TOKEN))


def test_a_web_address_loses_the_slash_at_its_end() -> None:
    assert ChannelSettings(connector="shop", base_url="http://127.0.0.1:8001/").base_url == "http://127.0.0.1:8001"


# Encryption keys.

HEX = "ab" * 32
BASE64 = "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s="
KEYED = '[store]\nencryption_key = "secret:KEY"\n'


@pytest.mark.parametrize("text", [HEX, BASE64, f"{HEX}\n"])
def test_an_encryption_key_is_32_bytes_however_they_are_written(folder: Path, text: str) -> None:
    write(folder, {"ordersync.toml": KEYED})
    assert load(folder, ENVIRON | {"KEY": text}).store.keys() == (b"\xab" * 32,)


@pytest.mark.parametrize("text", ["ab" * 31, "ab" * 33, "zz" * 32, "hunter2", BASE64[:-2]])
def test_a_wrong_encryption_key_is_told_with_how_to_make_one_and_never_shown(folder: Path, text: str) -> None:
    write(folder, {"ordersync.toml": KEYED})
    with pytest.raises(ConfigError) as raised:
        load(folder, ENVIRON | {"KEY": text})
    (problem,) = raised.value.problems
    assert str(problem) == (
        "ordersync.toml: store.encryption_key: the encryption key is not 32 bytes, in hexadecimal or base64; "
        "make one with `openssl rand -hex 32`"
    )


def test_old_keys_stand_behind_the_present_one(folder: Path) -> None:
    write(folder, {"ordersync.toml": KEYED + 'encryption_keys_old = ["secret:OLD"]\n'})
    assert load(folder, ENVIRON | {"KEY": HEX, "OLD": "cd" * 32}).store.keys() == (b"\xab" * 32, b"\xcd" * 32)
    write(folder, {"ordersync.toml": '[store]\nencryption_keys_old = ["secret:OLD"]\n'})
    with pytest.raises(ConfigError, match="without an encryption_key; name the key that takes their place"):
        load(folder, ENVIRON | {"OLD": "cd" * 32})


def test_a_channel_whose_tokens_must_be_kept_is_left_out_without_a_key(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        Shop.Settings, "keeps_tokens", property(lambda self: "shop" if self.shop == "acme" else ""), raising=False
    )
    settings = load(folder, ENVIRON)
    assert list(settings.channels) == ["other"]
    assert [str(problem) for problem in settings.problems] == [
        "channels/shop.toml: shop: each renewal brings a new token, which must be kept encrypted, and nothing says "
        "with which key; make one with `openssl rand -hex 32` and write encryption_key = "
        '"secret:NAME" under [store] in ordersync.toml'
    ]
    write(folder, {"ordersync.toml": KEYED})
    assert list(load(folder, ENVIRON | {"KEY": HEX}).channels) == ["other", "shop"]
