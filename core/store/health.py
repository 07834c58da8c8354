"""Where a store lives, looked at as a doctor would: whether it can be used, and whether that place can be trusted."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from core.errors import StoreError
from core.model import Finding
from core.store.database import Store, connect
from core.store.schema import is_current

SHARED = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "sshfs", "fuse.sshfs", "9p", "afs", "ceph", "glusterfs"})
"""Filesystems whose locks and shared memory SQLite cannot rely on (sqlite.org: "How To Corrupt", section 2)."""

LEAST_FREE = 1_000_000_000
"""Bytes below which a disk is too full for a store that grows."""

MOUNTS = Path("/proc/self/mountinfo")


def examine_store(url: sa.URL, mounts: Path = MOUNTS) -> Iterator[Finding]:
    """Findings of the store at `url`; makes and changes nothing."""
    if url.get_backend_name() == "sqlite":
        file = Path(url.database or "")
        if not file.parent.is_dir():
            told = f"there is no folder {file.parent}; make it, or mend store.url"
            yield Finding(what="store", well=False, told=told)
            return
        yield _disk(file, mounts)
        yield _space(file)
        if not file.exists():
            yield Finding(what="store", well=True, told=f"{file.name} is made when it is first used")
            return
    store = Store(connect(url))
    try:
        told = "is up to date" if is_current(store) else "is brought up to date when it is next used"
        yield Finding(what="store", well=True, told=told)
    except StoreError as error:
        yield Finding(what="store", well=False, told=str(error))
    finally:
        store.close()


def _disk(file: Path, mounts: Path) -> Finding:
    kind = filesystem(file.parent.resolve(), mounts)
    if kind in SHARED:
        told = f"{file} lies on a network disk ({kind}), where SQLite loses data; use a local disk, or PostgreSQL"
        return Finding(what="disk", well=False, told=told)
    return Finding(what="disk", well=True, told=f"local ({kind})" if kind else "not known here")


def _space(file: Path) -> Finding:
    free = shutil.disk_usage(file.parent).free
    told = f"{free / 1e9:.1f} GB free"
    if free < LEAST_FREE:
        return Finding(what="space", well=False, told=f"{told} beside {file}; make room before it is full")
    return Finding(what="space", well=True, told=told)


def filesystem(folder: Path, mounts: Path = MOUNTS) -> str:
    """The kind of filesystem a folder lies on, as Linux names it (proc(5), mountinfo); empty where nobody says."""
    try:
        rows = [line.split() for line in mounts.read_text().splitlines()]
    except OSError:
        return ""
    found = ""
    longest = -1
    for row in rows:
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), row[4])  # a space is written \040
        if len(point) > longest and folder.is_relative_to(point):
            longest, found = len(point), row[row.index("-") + 1]
    return found
