"""A warehouse that works with files: it fetches what lies in `out` and uploads to `in`, by hand or badly."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from connectors.filedrop import FileDrop
from core.model import Call
from core.warehouse import Deed
from tests.declared import absent


@dataclass
class There:
    lines: dict[str, int]
    numbers: dict[str, str]
    postal_code: str
    times: int = 1


class FileDepot:
    """Fetches files away, as such warehouses do: what it has fetched does not lie in `out` any more."""

    skus = ("MUG", "PEN", "CAP")
    place = "E"

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "in").mkdir(parents=True)
        self._works: dict[str, There] = {}
        self._sent: Counter[tuple[str, str]] = Counter()
        self._files = 0

    def works(self) -> Mapping[str, There]:
        self._fetch()
        return self._works

    def _fetch(self) -> None:
        for path in sorted((self.root / "out").glob("*")):
            if path.suffix in (".part", ".writing"):
                continue
            text = path.read_text()
            path.unlink()
            if path.name.startswith("work-"):
                self._take(text, path.suffix)
            else:
                self._stop(text, path.suffix)

    def _take(self, text: str, kind: str) -> None:
        if kind == ".json":
            found = json.loads(text)
            key, code = found["key"], found["ship_to"]["postal_code"]
            rows = [(line["sku"], int(line["quantity"]), line["number"]) for line in found["lines"]]
        else:
            table = list(csv.DictReader(io.StringIO(text)))
            key, code = table[0]["work"], table[0]["postal_code"]
            rows = [(row["sku"], int(row["quantity"]), row["line"]) for row in table]
        known = self._works.get(key)
        if known is not None:
            known.times += 1
            return
        self._works[key] = There({s: units for s, units, _ in rows}, {s: number for s, _, number in rows}, code)

    def _stop(self, text: str, kind: str) -> None:
        if kind == ".json":
            found = json.loads(text)
            key, recall, lines = found["work"], found["key"], found["lines"]
        else:
            table = list(csv.DictReader(io.StringIO(text)))
            key, recall = table[0]["work"], table[0]["recall"]
            lines = {row["line"]: int(row["quantity"]) for row in table}
        work = self._works[key]
        skus = {number: sku for sku, number in work.numbers.items()}
        late = any(work.lines[skus[n]] - self._sent[key, skus[n]] < units for n, units in lines.items())
        if not late:
            for number, units in lines.items():
                work.lines[skus[number]] -= units
        self.upload("recalls", "recall,answer,at,reason", (recall, "too late" if late else "stopped", now(), ""))

    def upload(self, kind: str, columns: str, *rows: Sequence[object], name: str = "") -> Path:
        self._files += 1
        path = self.root / "in" / (name or f"{kind}-{self._files:04}.csv")
        out = io.StringIO()
        csv.writer(out).writerows(rows)
        path.write_text(f"{columns}\r\n{out.getvalue()}", newline="")
        return path

    def accept(self, key: str) -> None:
        self.upload("answers", "work,answer,at", (key, "accepted", now()))

    def decline(self, key: str, units: Mapping[str, int] | None, reason: str) -> None:
        columns = "work,answer,at,line,quantity,reason"
        numbers = self.works()[key].numbers
        rows = [(numbers[sku], count) for sku, count in units.items()] if units else [("", "")]
        self.upload("answers", columns, *((key, "rejected", now(), *row, reason) for row in rows))

    def send(self, key: str, parcels: Sequence[tuple[str, Mapping[str, int]]]) -> None:
        numbers = self.works()[key].numbers
        at = now()
        for _, units in parcels:
            for sku, count in units.items():
                self._sent[key, sku] += count
        self.upload(
            "shipments",
            "work,line,quantity,carrier,tracking,shipped_at",
            *(
                (key, numbers[sku], count, "UPS", number, at)
                for number, units in parcels
                for sku, count in units.items()
            ),
        )

    def count(self, units: Mapping[str, int]) -> None:
        at = now()
        self.upload("stock", "place,sku,quantity,as_of", *((self.place, sku, n, at) for sku, n in units.items()))

    def adjust(self, sku: str, change: int, reason: str) -> None:
        row = (f"A{self._files}", self.place, sku, change, now(), reason)
        self.upload("adjustments", "id,place,sku,change,at,reason", row)

    def garble(self) -> bool:
        row = ("OS-1", "100", "1E+05", "UPS", "1Z7", now())
        self.upload("shipments", "work,line,quantity,carrier,tracking,shipped_at", row)
        return True

    def let_time_pass(self) -> None:
        self._fetch()

    def fail(self, how: str | None) -> bool:
        away = self.root.with_name("away")
        if how is None and away.exists():
            away.rename(self.root)
        elif how == "unavailable":
            self.root.rename(away)
        return how in (None, "unavailable")

    def call(self, *, forged: bool = False, stale: bool = False) -> Call:
        raise absent(FileDrop.absent, Deed.CALLS)


def now() -> str:
    return datetime.now(UTC).isoformat()
