"""Encrypting single values of the store: AES-256-GCM, each value bound to the place it stands in.

A sealed value is one byte that tells the key, a random nonce of 12 bytes, and the ciphertext with its tag. The place
(table, column, and whose it is) is authenticated with it: a value copied to another row does not open there.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE = 12


class Unsealable(Exception):
    """A value that none of the keys opens. Its text ends in what to do."""


class Seal:
    """Seals with the first of its keys, 32 bytes each, and opens with any of them."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = [(_mark(key), AESGCM(key)) for key in keys]

    def seal(self, plain: bytes, place: str) -> bytes:
        mark, cipher = self._keys[0]
        nonce = os.urandom(NONCE)
        return mark + nonce + cipher.encrypt(nonce, plain, place.encode())

    def open(self, sealed: bytes, place: str) -> tuple[bytes, bool]:
        """What was sealed for this place, and whether with the first key. Raises `Unsealable`."""
        mark, nonce, text = sealed[:1], sealed[1 : 1 + NONCE], sealed[1 + NONCE :]
        known = [(at, cipher) for at, (its, cipher) in enumerate(self._keys) if its == mark]
        for at, cipher in known:
            try:
                return cipher.decrypt(nonce, text, place.encode()), at == 0
            except (InvalidTag, ValueError):
                continue
        if known:
            raise Unsealable("it was damaged or moved; restore the newest backup of the store")
        raise Unsealable("it was encrypted with another key; name that key in encryption_keys_old under [store]")


def _mark(key: bytes) -> bytes:
    return hashlib.sha256(b"ordersync key\0" + key).digest()[:1]
