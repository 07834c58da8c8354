"""The connector: files out, files in.

Out: one file for each work order and each recall. It is written as `NAME.part`, noted under `sent/`, and then renamed,
so that nobody sees half of it, and a process that died anywhere in between goes on where it was and never gives the
same work out twice, even when the warehouse has fetched the file long since.

In: a file is read once it has not changed for `settle_seconds`, and moved to `done/` or `failed/` only when everything
in it is stored. Rows that end without a line end may have been cut in their last cell, by an upload that broke off:
they are read once the file has not changed for `unended_seconds`, as many exporters write no last line end. What of a
file could not be read or booked stands in a file beside it that ends in `.reason.txt`.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from connectors import notices
from connectors.filedrop.export import recall_csv, recall_json, work_csv, work_json
from connectors.filedrop.local import Entry, Folders, Local
from connectors.filedrop.rows import COLUMNS, BadFile, Document, cut, event
from core.credentials import Keeper
from core.errors import UserError, in_doubt
from core.guard import forbid_in_transaction
from core.handover import Event, Notice, NoticePage, Recall, WorkOrder
from core.model import Ack, AckState
from core.settings import Secret, WarehouseSettings, wrong
from core.warehouse import Deed

PAGE = 50
"""Events of a file that are stored at once."""

LINES_NAMED = 5

FILES_NAMED = 3

LARGEST = 64 * 1024 * 1024

_UNFINISHED = (".part", ".tmp", ".filepart", ".writing", ".partial", ".crdownload")
"""How names end while a file is being uploaded."""


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise wrong("no such time zone", 'write for example "America/New_York"') from None
    return name


def _host_key(text: str) -> str:
    """Type and key alone, also of a whole line that `ssh-keyscan` prints (with the host before) or a `.pub` file holds
    (with a comment after)."""
    words = text.split()
    kinds = [nth for nth, word in enumerate(words[:2]) if re.match(r"(ssh|ecdsa|sk)-|rsa-sha2-", word)]
    return " ".join(words[kinds[0] : kinds[0] + 2]) if kinds else text


def _absolute(path: str) -> str:
    if not path.startswith("/"):
        raise wrong("the folder's path must begin with /", 'write it in full, such as "/srv/ordersync/depot"')
    return path


class FileDropSettings(WarehouseSettings):
    """A warehouse that exchanges files."""

    folder: Annotated[str, AfterValidator(_absolute), Field(examples=["/srv/ordersync/depot"])]
    """The folder that holds in, out, sent, done and failed. We write work to out and read what comes to in."""
    sftp_host: Annotated[str, Field(pattern=r"^[A-Za-z0-9.:-]*$", examples=["sftp.example.com"])] = ""
    """The server that holds the folder, reached over SFTP; needs `pip install 'ordersync[sftp]'`. Not set: the folder
    is on this machine."""
    sftp_port: Annotated[int, Field(ge=1, le=65_535)] = 22
    """The server's port."""
    sftp_user: Annotated[str, Field(examples=["ordersync"])] = ""
    """Who logs in there."""
    sftp_host_key: Annotated[
        str,
        BeforeValidator(lambda text: _host_key(text) if isinstance(text, str) else text),
        Field(pattern=r"^([a-z0-9@.-]+ [A-Za-z0-9+/=]+)?$", examples=["ssh-ed25519 AAAA"]),
    ] = ""
    """The server's public key, type and key as `ssh-keyscan` prints them; ask the warehouse whether it is theirs. A
    server that shows another one is not spoken to."""
    sftp_password: Secret | None = None
    """The user's password."""
    sftp_private_key: Secret | None = None
    """The user's private key, the whole text of its file, where the server wants a key."""
    format: Literal["csv", "json"] = "csv"
    """How work is written. Both are read."""
    time_zone: Annotated[str, AfterValidator(_zone), Field(examples=["America/New_York"])] | None = None
    """The zone of instants that a file writes without one. Not set: such rows are refused."""
    settle_seconds: Annotated[int, Field(ge=0, le=3600)] = 20
    """How long a file must not have changed before it is read: it may still be on its way."""
    unended_seconds: Annotated[int, Field(ge=0, le=86_400)] = 600
    """The same for a CSV file whose last line has no line end: its upload may have broken off in the last cell, and be
    done again."""

    @model_validator(mode="after")
    def _a_server_is_named_whole(self) -> Self:
        if not self.sftp_host:
            return self
        if not self.sftp_user:
            raise wrong("sftp_host stands without sftp_user", "name who logs in there")
        if not self.sftp_host_key:
            raise wrong("sftp_host stands without sftp_host_key", "write what `ssh-keyscan HOST` prints, once checked")
        if self.sftp_password is None and self.sftp_private_key is None:
            raise wrong("nothing proves who sftp_user is", "set sftp_password or sftp_private_key")
        return self


@dataclass
class _Reading:
    """The file at hand."""

    entry: Entry
    digest: str
    left: int
    """Pages of it that are not stored yet."""
    lines: Mapping[str, tuple[int, ...]]
    """Where each document stands, by its id."""
    reasons: dict[str, str] = field(default_factory=dict)


class FileDrop:
    """One warehouse's folders."""

    Settings: ClassVar[type[FileDropSettings]] = FileDropSettings
    abilities: ClassVar[frozenset[Deed]] = frozenset(Deed) - {Deed.CALLS}
    absent: ClassVar[Mapping[Deed, str]] = {Deed.CALLS: "files are looked for, nobody calls"}

    def __init__(self, name: str, settings: FileDropSettings, keeper: Keeper | None = None) -> None:
        self.name = name
        self.settings = settings
        self._folders: Folders = self._open()
        self._seen: dict[str, tuple[Entry, float]] = {}
        """Each file as it was when it last changed, and since when by the monotonic clock."""
        self._waiting: set[str] = set()
        """Files that were there at the last look and may still be on their way."""
        self._unended: set[Entry] = set()
        """Those of them whose last line has no end."""
        self._reading: _Reading | None = None

    def _open(self) -> Folders:
        own = self.settings
        if not own.sftp_host:
            return Local(Path(own.folder))
        try:
            from connectors.filedrop.sftp import Remote
        except ImportError:
            raise UserError(
                f"{self.name}: SFTP needs a package that is not there; `pip install 'ordersync[sftp]'`"
            ) from None
        return Remote(
            own.folder,
            host=own.sftp_host,
            port=own.sftp_port,
            user=own.sftp_user,
            host_key=own.sftp_host_key,
            password=own.sftp_password.get_secret_value() if own.sftp_password else "",
            private_key=own.sftp_private_key.get_secret_value() if own.sftp_private_key else "",
        )

    @property
    def _time_zone(self) -> tzinfo | None:
        return None if self.settings.time_zone is None else ZoneInfo(self.settings.time_zone)

    # Out.

    def release(self, orders: Sequence[WorkOrder]) -> Iterator[Ack]:
        """A file each; that it lies there is all that is known at first."""
        written = work_json if self.settings.format == "json" else work_csv
        for order in orders:
            yield self._give(order.key, "work", written(order))

    def recall(self, recalls: Sequence[Recall]) -> Iterator[Ack]:
        written = recall_json if self.settings.format == "json" else recall_csv
        for one in recalls:
            yield self._give(one.key, "recall", written(one))

    def _give(self, key: str, what: str, body: bytes) -> Ack:
        """Gives a file out once, in steps each of which may be the last before a crash."""
        forbid_in_transaction(f"a file for {self.name}")
        name = f"{what}-{key}.{self.settings.format}"
        part = f"{name}.part"
        with in_doubt([key]):
            if not self._folders.has("sent", name):
                self._folders.write("out", part, body)
                self._folders.write("sent", name, b"")  # a note of it, and no copy of the buyer's address
            # Noted, and its first name still there: it was not given out yet. Gone: it was, and may be fetched by now.
            self._folders.move("out", part, "out", name)
        return Ack(key=key, state=AckState.ACCEPTED, ticket=name)

    # In.

    def events(self, cursor: str | None) -> Iterator[NoticePage]:
        """Each file that has settled, oldest name first. The folder itself says what is still to be read."""
        forbid_in_transaction(f"files of {self.name}")
        for entry in self._settled():
            body = self._folders.read("in", entry.name)
            if len(body) != entry.size:  # it has grown since the look: next time
                continue
            if not entry.name.lower().endswith(".json") and body.strip() and not body.endswith((b"\n", b"\r")):
                self._unended.add(entry)
                if self._still_waits(entry):
                    self._waiting.add(entry.name)
                    continue
            yield from self._pages(entry, body)

    def _still_waits(self, entry: Entry) -> bool:
        """Whether a file may have been cut, and is not known to have stayed so."""
        return entry in self._unended and time.monotonic() - self._seen[entry.name][1] < self.settings.unended_seconds

    def _settled(self) -> list[Entry]:
        now = time.monotonic()
        found = [
            one
            for one in self._folders.look("in")
            if not one.name.startswith(".") and not one.name.lower().endswith(_UNFINISHED)
        ]
        self._seen = {
            one.name: known if (known := self._seen.get(one.name)) and known[0] == one else (one, now) for one in found
        }
        self._unended &= set(found)
        settled = [one for one in found if now - self._seen[one.name][1] >= self.settings.settle_seconds]
        settled = [one for one in settled if not self._still_waits(one)]
        self._waiting = {one.name for one in found} - {one.name for one in settled}
        return settled

    def waits(self) -> str:
        """The files that the last look left, and what they wait for."""
        if not self._waiting:
            return ""
        own, names = self.settings, sorted(self._waiting)
        named = ", ".join(names[:FILES_NAMED]) + (
            f" and {len(names) - FILES_NAMED} more" if names[FILES_NAMED:] else ""
        )
        return (
            f"not read yet: {named}; the service reads a file once it has not changed for {own.settle_seconds} s, or "
            f"{own.unended_seconds} s where its last line has no end; a single round only where both are 0"
        )

    def _pages(self, entry: Entry, body: bytes) -> Iterator[NoticePage]:
        digest = hashlib.sha256(body).hexdigest()
        found, lines = self._notices(entry.name, body, digest)
        pages = [found[at : at + PAGE] for at in range(0, len(found), PAGE)] or [[]]
        self._reading = _Reading(entry, digest, len(pages), lines)
        for page in pages:
            yield NoticePage(notices=tuple(page), cursor=f"{entry.name}:{digest[:16]}")

    def _notices(self, name: str, body: bytes, digest: str) -> tuple[list[Notice], Mapping[str, tuple[int, ...]]]:
        try:
            if len(body) > LARGEST:
                raise BadFile(f"it is larger than {LARGEST // 1024 // 1024} MiB; write several")
            if name.lower().endswith(".json"):
                return _of_json(name, body), {}
            kind = next((kind for kind in COLUMNS if name.lower().startswith(kind)), "")
            if not kind or not name.lower().endswith((".csv", ".txt")):
                kinds = ", ".join(COLUMNS)
                raise BadFile(f"its name does not say what it holds; begin it with one of {kinds} and end it with .csv")
            cuts = cut(kind, body, self._time_zone)
        except BadFile as error:
            cuts = []
            document = Document("file", f"file:{digest[:32]}", (), str(error))
            return [Notice(id=document.id, body=msgspec.json.encode(document), source=name)], {}
        found = [
            Notice(id=one.document.id, body=msgspec.json.encode(one.document), source=f"{name}, {_lines(one.lines)}")
            for one in cuts
        ]
        return found, {one.document.id: one.lines for one in cuts}

    def taken(self, page: NoticePage, unread: Mapping[str, str]) -> None:
        """Moves the file once its last page is stored: to done, or to failed with what is wrong with it."""
        forbid_in_transaction(f"files of {self.name}")
        reading = self._reading
        if reading is None or page.cursor != f"{reading.entry.name}:{reading.digest[:16]}":
            return
        reading.reasons |= unread
        reading.left -= 1
        if reading.left > 0:
            return
        self._reading = None
        if reading.entry not in self._folders.look("in"):  # it has changed since: what came to it is read with it anew
            return
        kept = _kept_as(reading.entry.name, reading.digest)
        if reading.reasons:
            told = "".join(f"{line}\n" for line in _told(reading))
            self._folders.write("failed", f"{kept}.reason.txt", told.encode())
        self._folders.move("in", reading.entry.name, "failed" if reading.reasons else "done", kept)

    def normalize(self, body: bytes) -> Event:
        """A document of `rows`, or an event of a JSON file."""
        try:
            document = msgspec.json.decode(body, type=Document)
        except (msgspec.DecodeError, RecursionError):
            return notices.normalize(body)
        return event(document, self._time_zone)

    def close(self) -> None:
        self._folders.close()


def _of_json(name: str, body: bytes) -> list[Notice]:
    """The events of a JSON file: a list of them, or one."""
    try:
        found = msgspec.json.decode(body.removeprefix(b"\xef\xbb\xbf"), type=list[msgspec.Raw] | dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadFile(f"it is no JSON: {error}; was it uploaded whole?") from None
    events = [bytes(one) for one in found] if isinstance(found, list) else [body.removeprefix(b"\xef\xbb\xbf")]
    return [Notice(id=notices.id_of(one), body=one, source=name) for one in events]


def _kept_as(name: str, digest: str) -> str:
    """A name that no other file has: warehouses like to call each day's file the same."""
    stem, dot, ending = name.rpartition(".")
    return f"{stem}.{digest[:8]}.{ending}" if dot else f"{name}.{digest[:8]}"


def _told(reading: _Reading) -> Iterator[str]:
    """What was not taken in, line by line; everything else of the file was."""
    for id, reason in reading.reasons.items():
        lines = reading.lines.get(id, ())
        where = _lines(lines) if lines else "the file" if id.startswith("file:") else id
        yield f"{where}: {reason}"


def _lines(lines: Sequence[int]) -> str:
    """A parcel's rows or a count's may be many: the first few are enough to find it."""
    named = ", ".join(map(str, lines[:LINES_NAMED])) + (" …" if len(lines) > LINES_NAMED else "")
    return f"line {named}" if len(lines) == 1 else f"lines {named}"
