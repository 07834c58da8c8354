"""Secrets stand in the files by name only and are resolved while a file is read.

`"secret:NAME"` is looked up in this order, and the first place that has it wins:

1. the file `NAME` in the folder `$CREDENTIALS_DIRECTORY` (where systemd puts `LoadCredential=`),
2. the file that the environment variable `NAME_FILE` names (as container secrets are handed over),
3. the environment variable `NAME`.

Line ends behind the value do not belong to it. No message ever holds a value.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, PlainValidator, SecretStr, ValidationInfo, WithJsonSchema

from core.settings.wrong import wrong

_REFERENCE: Final = re.compile(r"secret:([A-Za-z_][A-Za-z0-9_]*)")
_HOW: Final = 'write "secret:NAME" and give the value in the environment variable NAME or in the file $NAME_FILE names'
_LARGEST: Final = 64 * 1024


class Secrets:
    """Where secrets are looked up: an environment, and the files it points to.

    `consulted` holds every file that was or would have been read with its `digest`, so that a change is noticed.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self.consulted: dict[Path, str] = {}

    def find(self, name: str) -> SecretStr:
        """The value of secret `name`. Raises what a validator raises: absent, empty or unreadable, and the cure."""
        folder = self._environ.get("CREDENTIALS_DIRECTORY")
        if folder:
            value = self._of_file(name, Path(folder, name), needed=False)
            if value is not None:
                return value
        named = self._environ.get(f"{name}_FILE")
        if named:
            value = self._of_file(name, Path(named), needed=True)
            if value is not None:
                return value
        if name not in self._environ:
            raise wrong(
                f"the secret {name} is absent",
                f"set the environment variable {name}, let {name}_FILE name a file, "
                f"or put a file {name} into $CREDENTIALS_DIRECTORY",
            )
        return _trimmed(name, self._environ[name], f"the environment variable {name}")

    def _of_file(self, name: str, path: Path, *, needed: bool) -> SecretStr | None:
        self.consulted[path] = digest(path)
        try:
            body = _body(path)
        except FileNotFoundError:
            if not needed:
                return None
            raise wrong(f"the secret {name} is absent: no file {path}", f"write it, or mend {name}_FILE") from None
        except OSError as error:
            raise wrong(f"the secret {name} cannot be read: {path}: {error.strerror}", "mend the file") from None
        if len(body) > _LARGEST:
            raise wrong(f"the secret {name} is longer than 64 KiB: {path}", "name the file that holds only the secret")
        try:
            return _trimmed(name, body.decode(), str(path))
        except UnicodeDecodeError:
            raise wrong(f"the secret {name} is not UTF-8 text: {path}", "write the file anew") from None


class Unasked(Secrets):
    """Stands in where no secret is wanted: every name has a value, and it is none."""

    def find(self, name: str) -> SecretStr:
        return SecretStr(f"not asked for: {name}")


def digest(path: Path) -> str:
    """What tells one state of a secret's file from another: its SHA-256, or why it cannot be read."""
    try:
        return hashlib.sha256(_body(path)).hexdigest()
    except OSError as error:
        return str(error)


def _body(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_LARGEST + 1)


def _trimmed(name: str, value: str, place: str) -> SecretStr:
    value = value.rstrip("\r\n")
    if not value.strip():
        raise wrong(f"the secret {name} is empty", f"put its value into {place}")
    return SecretStr(value)


def _resolve(value: object, info: ValidationInfo) -> SecretStr:
    """A reference becomes its value. A SecretStr, which no file can hold, is code that brings its own."""
    if isinstance(value, SecretStr):
        return value
    if not isinstance(value, str):
        raise wrong("a secret's name is expected", _HOW)
    found = _REFERENCE.fullmatch(value)
    if found is None and value.startswith("secret:"):
        raise wrong("this is no name of a secret", "use letters, digits and _ only, such as secret:SHOP_TOKEN")
    if found is None:
        raise wrong("a secret may not stand in the file itself", _HOW)
    secrets = (info.context or {}).get("secrets")
    return (secrets if isinstance(secrets, Secrets) else Secrets()).find(found.group(1))


Secret = Annotated[
    SecretStr,
    PlainValidator(_resolve),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": f"^{_REFERENCE.pattern}$",
            "examples": ["secret:NAME"],
        }
    ),
]
"""A secret in a settings class: `access_token: Secret` in the class, `"secret:NAME"` in the file,
`settings.access_token.get_secret_value()` in the code that sends it. Code may hand in a `SecretStr` instead."""


def key_of(text: str) -> bytes:
    """32 bytes written as hexadecimal digits or in base64. Raises what a validator raises for anything else."""
    text = text.strip()
    try:
        key = bytes.fromhex(text) if len(text) == 64 else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != 32:
        raise wrong("the encryption key is not 32 bytes, in hexadecimal or base64", _MAKE_A_KEY)
    return key


def _is_key(value: SecretStr) -> SecretStr:
    key_of(value.get_secret_value())
    return value


_MAKE_A_KEY: Final = "make one with `openssl rand -hex 32`"

EncryptionKey = Annotated[Secret, AfterValidator(_is_key)]
"""A secret that is an encryption key; `key_of` gives its bytes."""
