"""Secrets by name: where their values are looked up, and that a value is never told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from core.settings import Settings, load
from tests.core.configured import SOUND, TOKEN, Shop, mend, plugins, told, write


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    plugins(monkeypatch)
    return write(tmp_path / "config", SOUND)


def test_a_path_like_name_is_no_secret(folder: Path) -> None:
    mend(folder, "channels/shop.toml", "secret:SHOP_TOKEN", "secret:../../etc/shadow")
    assert told(folder) == [
        "channels/shop.toml: access_token: this is no name of a secret; "
        "use letters, digits and _ only, such as secret:SHOP_TOKEN"
    ]


def token(folder: Path, environ: dict[str, str]) -> str | list[str]:
    """The shop's token as loaded, or why it is not."""
    settings: Settings = load(folder, environ)
    shop = settings.channels.get("shop")
    if isinstance(shop, Shop.Settings):
        return shop.access_token.get_secret_value()
    return [problem.what for problem in settings.problems if problem.file == "channels/shop.toml"]


def test_secrets_come_from_credentials_then_the_named_file_then_the_environment(folder: Path, tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    named = tmp_path / "token"
    environ = {"CREDENTIALS_DIRECTORY": str(credentials), "SHOP_TOKEN_FILE": str(named), "SHOP_TOKEN": "third\n"}
    (credentials / "SHOP_TOKEN").write_text("first\r\n")
    named.write_text(" second\n\n")
    assert token(folder, environ) == "first"
    (credentials / "SHOP_TOKEN").unlink()
    assert token(folder, environ) == " second"
    del environ["SHOP_TOKEN_FILE"]
    assert token(folder, environ) == "third"
    del environ["SHOP_TOKEN"]
    assert token(folder, environ) == ["the secret SHOP_TOKEN is absent"]


def test_a_secrets_file_that_is_named_must_be_sound(folder: Path, tmp_path: Path) -> None:
    named = tmp_path / "token"
    environ = {"SHOP_TOKEN_FILE": str(named), "SHOP_TOKEN": TOKEN}
    assert token(folder, environ) == [f"the secret SHOP_TOKEN is absent: no file {named}"]
    named.write_text("\n")
    assert token(folder, environ) == ["the secret SHOP_TOKEN is empty"]
    named.write_bytes(b"\xff\xfe")
    assert token(folder, environ) == [f"the secret SHOP_TOKEN is not UTF-8 text: {named}"]
    named.write_bytes(b"x" * 70_000)
    assert token(folder, environ) == [f"the secret SHOP_TOKEN is longer than 64 KiB: {named}"]
    named.unlink()
    named.mkdir()
    assert token(folder, environ) == [f"the secret SHOP_TOKEN cannot be read: {named}: {os.strerror(21)}"]


def test_code_may_bring_its_own_secret_and_no_plain_text() -> None:
    made = Shop.Settings(connector="shop", shop="acme", access_token=SecretStr(TOKEN))
    assert made.access_token.get_secret_value() == TOKEN
    with pytest.raises(ValidationError, match="may not stand in the file") as caught:
        Shop.Settings.model_validate({"connector": "shop", "shop": "acme", "access_token": TOKEN})
    assert TOKEN not in str(caught.value)
