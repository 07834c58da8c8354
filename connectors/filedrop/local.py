"""A folder of this machine, or one that is mounted into it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

from core.errors import Unauthorized, Unavailable

NO_FOLDER = "no such folder; make it, mount the share it lies on, or mend `folder`"


class Entry(NamedTuple):
    """A file as a look at its folder shows it."""

    name: str
    size: int
    changed: int
    """Tells one state of it from another; no instant that could be compared with a clock."""


class Folders(Protocol):
    """The folders of one warehouse: `in`, `out`, `sent`, `done` and `failed` below one root.

    Each method raises `Unavailable` or `Unauthorized`; `move` and `write` are done whole or not at all.
    """

    def look(self, folder: str) -> list[Entry]:
        """The files in a folder, by name; none where there is no such folder."""
        ...

    def read(self, folder: str, name: str) -> bytes: ...

    def write(self, folder: str, name: str, body: bytes) -> None:
        """Replaces the file; makes the folder."""
        ...

    def has(self, folder: str, name: str) -> bool: ...

    def move(self, folder: str, name: str, to: str, new: str) -> None:
        """Replaces what is there; makes the folder. Nothing where the file is gone."""
        ...

    def close(self) -> None: ...


class Local:
    """Folders below a path."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def look(self, folder: str) -> list[Entry]:
        self._must_be_there()
        with self._told(folder):
            path = self._root / folder
            if not path.is_dir():
                return []
            found = [(one.name, one.stat()) for one in os.scandir(path) if one.is_file()]
            return sorted(Entry(name, seen.st_size, seen.st_mtime_ns) for name, seen in found)

    def read(self, folder: str, name: str) -> bytes:
        with self._told(f"{folder}/{name}"):
            return (self._root / folder / name).read_bytes()

    def write(self, folder: str, name: str, body: bytes) -> None:
        self._must_be_there()
        with self._told(f"{folder}/{name}"):
            path = self._root / folder
            path.mkdir(exist_ok=True)
            part = path / f"{name}.writing"
            with part.open("wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path / name)
            self._sync(path)

    def has(self, folder: str, name: str) -> bool:
        self._must_be_there()
        with self._told(f"{folder}/{name}"):
            return (self._root / folder / name).exists()

    def move(self, folder: str, name: str, to: str, new: str) -> None:
        self._must_be_there()
        with self._told(f"{folder}/{name}"):
            (self._root / to).mkdir(exist_ok=True)
            path = self._root / folder / name
            if not path.exists():
                return
            path.replace(self._root / to / new)
        with self._told(f"{to}/{new}", ambiguous=True):
            self._sync(self._root / to)

    def close(self) -> None:
        """Nothing to let go of."""

    def _must_be_there(self) -> None:
        """Raises `Unavailable` where `in` is not: a share that is not mounted, or a folder named wrongly.

        It is no empty folder, and nobody would fetch what is written there.
        """
        with self._told("in"):
            try:
                there = stat.S_ISDIR((self._root / "in").stat().st_mode)
            except (FileNotFoundError, NotADirectoryError):
                there = False
        if not there:
            raise Unavailable(f"{self._root}/in: {NO_FOLDER}")

    def _sync(self, path: Path) -> None:
        """A new name lasts over a power cut only once its folder is written."""
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    @contextmanager
    def _told(self, what: str, *, ambiguous: bool = False) -> Iterator[None]:
        path = self._root / what
        try:
            yield
        except PermissionError as error:
            raise Unauthorized(f"{path}: {error.strerror}; let the user of ordersync read and write there") from None
        except OSError as error:
            raise Unavailable(f"{path}: {error.strerror or error}", ambiguous=ambiguous) from None
