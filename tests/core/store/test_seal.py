"""Sealed values: opened by their own key at their own place, and by nothing else."""

from __future__ import annotations

import pytest

from core.store.seal import NONCE, Seal, Unsealable, _mark

KEY, OTHER = b"k" * 32, b"o" * 32
PLACE = "credentials.sealed shop access"


def test_what_was_sealed_opens_again_and_does_not_show() -> None:
    seal = Seal([KEY])
    sealed = seal.seal(b"s3cret", PLACE)
    assert b"s3cret" not in sealed
    assert seal.open(sealed, PLACE) == (b"s3cret", True)


def test_the_same_value_is_never_sealed_the_same_way_twice() -> None:
    seal = Seal([KEY])
    assert len({seal.seal(b"s3cret", PLACE) for _ in range(100)}) == 100


def test_another_key_opens_nothing_and_says_what_to_do() -> None:
    sealed = Seal([KEY]).seal(b"s3cret", PLACE)
    with pytest.raises(Unsealable, match="another key; name that key in encryption_keys_old"):
        Seal([OTHER]).open(sealed, PLACE)


def test_an_old_key_still_opens_and_is_told_from_the_present_one() -> None:
    sealed = Seal([KEY]).seal(b"s3cret", PLACE)
    both = Seal([OTHER, KEY])
    assert both.open(sealed, PLACE) == (b"s3cret", False)
    assert both.open(both.seal(b"s3cret", PLACE), PLACE) == (b"s3cret", True)
    with pytest.raises(Unsealable):
        Seal([KEY]).open(both.seal(b"s3cret", PLACE), PLACE)


def test_keys_that_share_their_mark_are_tried_one_after_the_other() -> None:
    twin = next(key for key in (n.to_bytes(32) for n in range(10_000)) if _mark(key) == _mark(KEY))
    sealed = Seal([KEY]).seal(b"s3cret", PLACE)
    assert Seal([twin, KEY]).open(sealed, PLACE) == (b"s3cret", False)


@pytest.mark.parametrize("at", [1, NONCE, 1 + NONCE, -1])
def test_a_changed_byte_is_noticed(at: int) -> None:
    seal = Seal([KEY])
    sealed = bytearray(seal.seal(b"s3cret", PLACE))
    sealed[at] ^= 1
    with pytest.raises(Unsealable, match="damaged or moved; restore the newest backup"):
        seal.open(bytes(sealed), PLACE)


@pytest.mark.parametrize("length", [0, 1, 5, 1 + NONCE, 20])
def test_half_a_value_is_none(length: int) -> None:
    seal = Seal([KEY])
    with pytest.raises(Unsealable):
        seal.open(seal.seal(b"s3cret", PLACE)[:length], PLACE)


@pytest.mark.parametrize(
    "place", ["credentials.sealed other access", "credentials.sealed shop refresh", "buyers.name shop access"]
)
def test_a_value_opens_only_where_it_was_sealed_for(place: str) -> None:
    seal = Seal([KEY])
    with pytest.raises(Unsealable, match="damaged or moved"):
        seal.open(seal.seal(b"s3cret", PLACE), place)
