"""What the store's statements look like on either database: membership, row locks, and sets of rows as parameters.

SQLite takes a set row by row with one prepared statement, and a list of values as JSON. PostgreSQL takes both as
arrays, each written out as one array literal: the driver would adapt every value on its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import msgspec
import sqlalchemy as sa

_PG_TYPES = {sa.Boolean: "boolean", sa.BigInteger: "bigint", sa.Integer: "bigint", sa.LargeBinary: "bytea"}


def values(list_: Sequence[Any], sqlite: bool) -> str:
    """A list as the one parameter that `statement` makes of it."""
    return msgspec.json.encode(list_).decode() if sqlite else array(list_)


def array(column: Sequence[Any]) -> str:
    """Values of one kind, or None, as PostgreSQL's array literal."""
    if None in column:
        return "{" + ",".join(["NULL" if value is None else _element(value) for value in column]) + "}"
    kind = type(column[0]) if column else int
    if kind is int or kind is bool:
        return "{" + msgspec.json.encode(column)[1:-1].decode() + "}"
    return "{" + ",".join(map(_element, column)) + "}"


def _element(value: Any) -> str:
    if type(value) is str:
        if "\\" in value or '"' in value:
            value = value.replace("\\", "\\\\").replace('"', '\\"')  # far faster than `translate`
        return f'"{value}"'
    return f'"\\\\x{value.hex()}"' if type(value) is bytes else str(value)


@lru_cache(maxsize=1024)
def statement(sql: str, lists: tuple[str, ...], sqlite: bool) -> str:
    """`sql` as the driver takes it: `:name` is a parameter, `IN :name` membership where `lists` names it."""
    for name in lists:
        member = f"IN (SELECT value FROM json_each(:{name}))" if sqlite else f"= ANY(:{name})"
        sql = re.sub(rf"\bIN :{name}\b", member, sql)
    # NO KEY: a row that refers to a locked one can still be written, else foreign keys would lock out of order.
    sql = sql.replace("/*lock*/", "" if sqlite else "FOR NO KEY UPDATE")
    return sql if sqlite else re.sub(r"(?<![:\w]):(\w+)", r"%(\1)s", sql.replace("%", "%%"))


@lru_cache(maxsize=256)
def insert(table: sa.Table, columns: tuple[str, ...], also: str, sqlite: bool) -> str:
    """Inserts rows of `columns`; `also` is an ON CONFLICT clause."""
    names = ", ".join(f'"{name}"' for name in columns)
    if sqlite:
        return f"INSERT INTO {table.name} ({names}) VALUES ({_marks(columns)}) {also}"
    return f"INSERT INTO {table.name} ({names}) SELECT * FROM {_unnest(table, columns)} {also}"


@lru_cache(maxsize=256)
def update(table: sa.Table, keys: tuple[str, ...], sets: tuple[str, ...], sqlite: bool) -> str:
    """Updates rows by their keys. On SQLite a row holds its keys last."""
    columns = [name.rstrip("+") for name in sets]
    if sqlite:
        values = ", ".join(
            f'"{name}" = "{name}" + ?' if given.endswith("+") else f'"{name}" = ?'
            for name, given in zip(columns, sets, strict=True)
        )
        where = " AND ".join(f'"{key}" = ?' for key in keys)
        return f"UPDATE {table.name} SET {values} WHERE {where}"
    names = ", ".join(f'"{name}"' for name in (*keys, *columns))
    values = ", ".join(
        f'"{name}" = t."{name}" + v."{name}"' if given.endswith("+") else f'"{name}" = v."{name}"'
        for name, given in zip(columns, sets, strict=True)
    )
    where = " AND ".join(f't."{key}" = v."{key}"' for key in keys)
    source = f"{_unnest(table, (*keys, *columns))} AS v({names})"
    return f"UPDATE {table.name} AS t SET {values} FROM {source} WHERE {where}"


def _marks(columns: Iterable[str]) -> str:
    return ", ".join("?" for _ in columns)


def _unnest(table: sa.Table, columns: Sequence[str]) -> str:
    def pg(name: str) -> str:
        kind = table.c[name].type
        return next((pg for sql, pg in _PG_TYPES.items() if isinstance(kind, sql)), "text")

    return f"unnest({', '.join(f'%s::{pg(name)}[]' for name in columns)})"
