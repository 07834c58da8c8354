"""Hostile documents: whatever a channel sends, `normalize` gives a sound order or a `BadDocument`, and says no more.

The documents are real ones with one thing wrong: every place of the channel's own document takes each of `WRONG` in
turn and is left out once; and they are cut off and scrambled.
"""

from __future__ import annotations

import os
import random
import time
import unittest
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from core.conformance.documents import flaws
from core.conformance.far_end import FarEnd
from core.conformance.given import Given, must
from core.connector import Connector
from core.errors import BadDocument
from core.model import Order

WRONG = (
    *(b"null", b"true", b"0", b"-1", b"1.5", b"1e3", b"1e400", b"2147483648", b"9223372036854775808"),
    *(
        b'""',
        b'"-1"',
        b'"1.5"',
        b'"1e3"',
        b'"2147483648"',
        b'"NaN"',
        b'"Infinity"',
        b'"\xd9\xa3"',
        b'"' + b"9" * 5000 + b'"',
    ),
    *(
        b'"0001-01-01T00:00:00+14:00"',
        b'"9999-12-31T23:59:59-14:00"',
        b'"2026-02-30T00:00:00Z"',
        b'"2026-01-01T00:00:00"',
    ),
    *(b'"a word"', b'"\\ud800"', b'"\\u0000"', b"[]", b"[null]", b"{}", b'{"a":1}'),
)
"""JSON values that have no business in most places; the last two texts are half a character and NUL."""

_MARK = "conformance-puts-it-here"


class Hostile(Given):
    def test_any_document_gives_a_sound_order_or_is_a_bad_document(self, connector: Connector, far_end: FarEnd) -> None:
        body = connector.fetch(self.placed(far_end, 1)[0]).body
        ordinary = flaws(connector.normalize(body))  # another test's matter
        for what, document in (*_scrambled(body), *_mutated(body)):
            came = _outcome(connector, document)
            must(
                isinstance(came, Order | BadDocument),
                f"a document with {what} gives an order or a BadDocument; it raised {came!r}",
            )
            if isinstance(came, Order):
                found = [flaw for flaw in flaws(came) if flaw not in ordinary]
                must(
                    not found,
                    f"a document with {what} gives a sound order or is a BadDocument; "
                    f"it gave one with these flaws: {'; '.join(found)}",
                )

    def test_no_text_of_an_order_holds_a_nul(self, connector: Connector, far_end: FarEnd) -> None:
        body = connector.fetch(self.placed(far_end, 1)[0]).body
        for what, document in _mutated(body, wrong=(b'"A\\u0000da"',)):
            order = _outcome(connector, document)
            if isinstance(order, Order):
                must(
                    b"\\u0000" not in msgspec.json.encode(order),
                    f"NUL, which databases refuse, is replaced; a document with {what} kept it",
                )

    def test_a_bad_document_says_where_and_quotes_no_buyer(self, connector: Connector, far_end: FarEnd) -> None:
        body = connector.fetch(self.placed(far_end, 1)[0]).body
        secrets = _buyers_words(connector.normalize(body))
        # The mark stands where the buyer's words did, so a message that quotes what it found there quotes the mark.
        marked = _mutated(body, wrong=(f'"{_MARK}"'.encode(),), instead_of=secrets)
        for what, document in (*_scrambled(body), *_mutated(body), *marked):
            error = _outcome(connector, document)
            if isinstance(error, BadDocument):
                text = str(error)
                must(len(text.split()) >= 2, f"a BadDocument says what is wrong and where; for {what} it says {text!r}")
                quoted = [word for word in (*secrets, _MARK) if word in text]
                must(not quoted, f"a BadDocument quotes nothing of the document; for {what} it did: {text!r}")

    def test_a_state_nobody_knows_holds_the_order(self, connector: Connector, far_end: FarEnd) -> None:
        if not self.states:
            raise unittest.SkipTest(
                "the suite does not say in `states` where a document tells whether its order may ship"
            )
        body = connector.fetch(self.placed(far_end, 1)[0]).body
        must(not connector.normalize(body).holds, "an ordinary order may ship; this one is held")
        found = set()
        for path, document in _replaced(body, b'"a state of tomorrow"'):
            if path in self.states:
                found.add(path)
                came = _outcome(connector, document)
                held = isinstance(came, BadDocument) or (isinstance(came, Order) and bool(came.holds))
                must(held, f"an order in a state nobody knows is held or a BadDocument; with one at {path} it may ship")
        must(
            found == set(self.states),
            f"`states` names places of a document; there are none at {set(self.states) - found}",
        )

    def test_no_instant_is_read_by_the_machines_own_zone(self, connector: Connector, far_end: FarEnd) -> None:
        body = connector.fetch(self.placed(far_end, 1)[0]).body
        documents = [("nothing changed", body)]
        for instant in (b'"2026-01-01T00:00:00"', b'"2026-01-01"', b'"2026-01-01 00:00:00"'):
            documents += [(f"an instant without its zone at {path}", one) for path, one in _replaced(body, instant)]
        for what, document in documents:
            here, there = (_in_zone(zone, connector, document) for zone in ("UTC", "Asia/Tokyo"))
            same = here == there or (isinstance(here, Exception) and isinstance(there, Exception))
            must(same, f"a document means the same on every machine; one with {what} is another order in another zone")


def _replaced(body: bytes, value: bytes) -> Iterator[tuple[str, bytes]]:
    """This JSON document with this value at every place that holds a text or a number, one at a time."""
    try:
        document = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return
    mark = msgspec.json.encode(_MARK)
    for path, holder, key in _places(document, "$"):
        kept = holder[key]
        if isinstance(kept, dict | list):
            continue
        holder[key] = _MARK
        yield path, msgspec.json.encode(document).replace(mark, value)
        holder[key] = kept


def _in_zone(zone: str, connector: Connector, document: bytes) -> Order | Exception:
    """The outcome on a machine whose own time zone this is."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = zone
    time.tzset()
    try:
        return _outcome(connector, document)
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()


def _outcome(connector: Connector, document: bytes) -> Order | Exception:
    try:
        return connector.normalize(document)
    except Exception as error:  # noqa: BLE001 - whatever is raised is what the checks are about
        return error


def _scrambled(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Documents that are hardly any, and this one cut off or with a byte changed."""
    for document in (b"", b"null", b"{}", b"[]", b'""', b"\xff\xfe", b"<html></html>"):
        yield f"nothing but {document!r}", document
    for at in range(1, len(body), max(1, len(body) // 40)):
        yield f"its end cut off at byte {at}", body[:at]
    chance = random.Random(7)  # noqa: S311 - the same documents every time
    for _ in range(100):
        at, byte = chance.randrange(len(body)), chance.randrange(256)
        yield f"byte {at} set to {byte}", body[:at] + bytes([byte]) + body[at + 1 :]


def _mutated(
    body: bytes, wrong: tuple[bytes, ...] = WRONG, *, instead_of: Sequence[str] | None = None
) -> Iterator[tuple[str, bytes]]:
    """This JSON document with every place wrong in every way, one at a time; nothing for other formats.

    With `instead_of`, only the places that hold one of these texts, or a word of one.
    """
    try:
        document = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return
    mark = msgspec.json.encode(_MARK)
    for path, holder, key in _places(document, "$"):
        kept = holder[key]
        if instead_of is not None and not _is_of(kept, instead_of):
            continue
        holder[key] = _MARK
        marked = msgspec.json.encode(document)
        holder[key] = kept
        for value in wrong:
            yield f"{value[:40]!r} at {path}", marked.replace(mark, value)
        if isinstance(holder, dict):
            del holder[key]
            yield f"{path} left out", msgspec.json.encode(document)
            holder[key] = kept


def _places(value: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """Every place of a document: its path, what holds it, and its key there. Whoever changes one puts it back."""
    entries: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        entries = list(value.items())
    elif isinstance(value, list):
        entries = list(enumerate(value))
    for key, inner in entries:
        where = f"{path}[{key}]" if isinstance(value, list) else f"{path}.{key}"
        yield where, value, key
        yield from _places(inner, where)


def _is_of(value: object, texts: Sequence[str]) -> bool:
    return isinstance(value, str) and len(value) >= 3 and any(value in text or text in value for text in texts)


def _buyers_words(order: Order) -> list[str]:
    """The buyer's data of an order, as far as it is long enough to be told from other words."""
    words = [order.email]
    if order.ship_to:
        words += [getattr(order.ship_to, name) for name in ("name", "company", "line1", "line2", "city", "phone")]
    return [word for word in words if len(word) >= 4]
