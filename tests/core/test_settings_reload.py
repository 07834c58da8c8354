"""Configuration edited while the service runs: good changes are taken in, bad ones leave the last good in force."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from core.settings import ConfigError, Reload, Watched
from tests.core.configured import ENVIRON, SOUND, TOKEN, mend, plugins, write


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    plugins(monkeypatch)
    return write(tmp_path / "config", SOUND)


@pytest.fixture
def watched(folder: Path) -> Watched:
    return Watched(folder, ENVIRON)


def settled(watched: Watched) -> Reload:
    """What a change becomes once its files have stood still for a look."""
    assert watched.look() is None
    reload = watched.look()
    assert reload is not None
    assert reload.settings is watched.settings
    assert watched.look() is None
    return reload


def changes(watched: Watched) -> list[str]:
    reload = settled(watched)
    assert reload.problems == ()
    return [str(change) for change in reload.changes]


def kept(watched: Watched) -> list[str]:
    """The problems of a change that alters nothing."""
    before = watched.settings
    reload = settled(watched)
    assert reload.changes == ()
    assert (watched.settings.channels, watched.settings.locations) == (before.channels, before.locations)
    return [str(problem) for problem in reload.problems]


def test_nothing_changed_is_nothing_told(watched: Watched) -> None:
    assert [watched.look() for _ in range(3)] == [None] * 3


def test_a_changed_key_is_taken_in_and_told(watched: Watched, folder: Path) -> None:
    mend(folder, "channels/shop.toml", "buffer = 2", 'buffer = 5\ncap = 40\nmatch = "mapped"')
    mend(folder, "routing.toml", "split = false", 'rank = ["distance"]')
    assert changes(watched) == [
        "channels/shop.toml: buffer: 2 -> 5",
        "channels/shop.toml: cap: not set -> 40",
        'channels/shop.toml: match: "sku" -> "mapped"',
        'routing.toml: rank: ["priority", "distance"] -> ["distance"]',
        "routing.toml: split: false -> true",
    ]
    assert watched.settings.channels["shop"].buffer == 5


def test_when_waiting_is_an_issue_and_whose_days_metrics_count_are_told_too(watched: Watched, folder: Path) -> None:
    file = folder / "ordersync.toml"
    file.write_text(file.read_text() + '\n[issues]\nlate_hours = 5\n[metrics]\ntime_zone = "Asia/Tokyo"\n')
    assert changes(watched) == [
        "ordersync.toml: issues.late_hours: 24 -> 5",
        'ordersync.toml: metrics.time_zone: "UTC" -> "Asia/Tokyo"',
    ]


def test_a_comment_changes_nothing(watched: Watched, folder: Path) -> None:
    mend(folder, "routing.toml", "split", "# why\nsplit")
    assert changes(watched) == []


def test_files_and_locations_that_come_and_go_are_told_whole(watched: Watched, folder: Path) -> None:
    (folder / "channels/other.toml").unlink()
    write(folder, {"channels/third.toml": SOUND["channels/other.toml"].replace("other", "third")})
    mend(
        folder,
        "locations.toml",
        '[[locations]]\nname = "west"',
        '[[locations]]\nname = "west"\n[[locations]]\nname = "north"',
    )
    assert changes(watched) == [
        "channels/other.toml: removed",
        "channels/third.toml: added",
        "locations.toml: north: added",
    ]
    assert list(watched.settings.channels) == ["shop", "third"]


def test_a_channel_switched_off_is_told(watched: Watched, folder: Path) -> None:
    mend(folder, "channels/shop.toml", "buffer = 2", "enabled = false")
    assert "channels/shop.toml: enabled: true -> false" in changes(watched)
    assert watched.settings.disabled == ("shop",)


def test_a_change_of_the_store_counts_from_the_next_start(watched: Watched, folder: Path) -> None:
    mend(folder, "ordersync.toml", "[log]", '[store]\nurl = "sqlite:///new.sqlite"\n[log]')
    assert changes(watched) == [
        'ordersync.toml: store.url: "sqlite:///ordersync.sqlite" -> "sqlite:///new.sqlite" (from the next start on)'
    ]


def test_a_broken_channel_file_keeps_its_last_good_while_the_others_move_on(watched: Watched, folder: Path) -> None:
    mend(folder, "channels/shop.toml", "buffer = 2", "bufer = 9")
    mend(folder, "channels/other.toml", "locations", "cap = 3\nlocations")
    reload = settled(watched)
    assert [str(problem) for problem in reload.problems] == [
        "channels/shop.toml: unknown key `bufer`; did you mean `buffer`?"
    ]
    assert [str(change) for change in reload.changes] == ["channels/other.toml: cap: not set -> 3"]
    assert watched.settings.channels["shop"].buffer == 2
    mend(folder, "channels/shop.toml", "bufer = 9", "buffer = 9")
    assert changes(watched) == ["channels/shop.toml: buffer: 2 -> 9"]


@pytest.mark.parametrize("file", ["ordersync.toml", "locations.toml", "routing.toml"])
def test_a_broken_shared_file_keeps_everything(watched: Watched, folder: Path, file: str) -> None:
    mend(folder, "channels/other.toml", "locations", "cap = 3\nlocations")
    write(folder, {file: "= 1\n"})
    assert kept(watched) == [f"{file}:1: not valid TOML (Invalid statement); mend this line; text needs quotes"]
    write(folder, {file: SOUND[file]})
    assert changes(watched) == ["channels/other.toml: cap: not set -> 3"]


def test_a_file_that_is_still_being_written_is_not_read_half_way(watched: Watched, folder: Path) -> None:
    whole = SOUND["channels/shop.toml"] + "cap = 40\npercent = 90\n"
    for end in range(len(whole) - 30, len(whole)):
        write(folder, {"channels/shop.toml": whole[:end]})
        assert watched.look() is None
        assert watched.settings.channels["shop"].cap is None
    write(folder, {"channels/shop.toml": whole})
    assert changes(watched) == ["channels/shop.toml: cap: not set -> 40", "channels/shop.toml: percent: 100 -> 90"]


def test_a_file_left_half_written_keeps_the_last_good(watched: Watched, folder: Path) -> None:
    write(folder, {"channels/shop.toml": SOUND["channels/shop.toml"][:-8]})
    assert kept(watched) == ["channels/shop.toml:6: the file breaks off here (half-written?); write it to its end"]


def test_an_emptied_file_keeps_the_last_good(watched: Watched, folder: Path) -> None:
    write(folder, {"ordersync.toml": ""})
    assert kept(watched) == ["ordersync.toml: the file is empty (half-written?); write it anew, or remove it"]


def test_a_vanished_folder_keeps_the_last_good(watched: Watched, folder: Path) -> None:
    away = folder.rename(folder.with_name("away"))
    assert kept(watched) == [f"{folder}: no such folder; name the right one with --config DIR"]
    away.rename(folder)
    assert changes(watched) == []


def test_a_location_that_a_broken_channel_still_uses_cannot_go(watched: Watched, folder: Path) -> None:
    write(folder, {"locations.toml": '[[locations]]\nname = "west"\n'})
    assert kept(watched) == [
        "channels/shop.toml: locations.east: no such location in locations.toml; use one of: west",
        "locations.toml: a location is gone that a wrong channel or warehouse file still uses; "
        "mend that file first; nothing was changed",
    ]


def test_an_account_copied_into_a_second_file_does_not_run_twice(watched: Watched, folder: Path) -> None:
    shutil.copy(folder / "channels/shop.toml", folder / "channels/a-copy.toml")
    assert len(kept(watched)) == 2
    assert list(watched.settings.channels) == ["other", "shop"]


def test_a_secrets_file_that_changes_is_taken_in_without_its_value(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("old-token\n")
    watched = Watched(folder, {"SHOP_TOKEN_FILE": str(secret)})
    secret.write_text(f"{TOKEN}\n")
    told = changes(watched)
    assert told == ["channels/other.toml: access_token: changed", "channels/shop.toml: access_token: changed"]
    assert watched.settings.channels["shop"].model_dump()["access_token"].get_secret_value() == TOKEN


def test_a_secret_that_appears_brings_its_channels_in(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "token"
    watched = Watched(folder, {"SHOP_TOKEN_FILE": str(secret)})
    assert watched.settings.channels == {}
    secret.write_text(TOKEN)
    assert changes(watched) == ["channels/other.toml: added", "channels/shop.toml: added"]


def test_watching_begins_only_with_good_settings(folder: Path) -> None:
    write(folder, {"routing.toml": "split = 1\n"})
    with pytest.raises(ConfigError, match="true or false"):
        Watched(folder, ENVIRON)
