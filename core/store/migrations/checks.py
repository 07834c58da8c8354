"""What migrations share: a CHECK exchanged, or a column with its references dropped, on both databases."""

from __future__ import annotations

from alembic import op


def replace_check(table: str, name: str, condition: str | None) -> None:
    """Another condition for a table's CHECK, or none; one that is new is added.

    SQLite changes no constraint in place: the table is made anew with all its rows, as SQLite's own text of it says.
    For tables that no other refers to.
    """
    full = f"ck_{table}_{name}"
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        sql = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).scalar_one()
        kept = [part for part in _parts(sql) if full not in part]
        if condition is not None:
            kept.append(f"CONSTRAINT {full} CHECK ({condition})")
        _make_anew(table, kept)
        return
    op.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {full}")
    if condition is not None:
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {full} CHECK ({condition})")


def drop_column(table: str, name: str) -> None:
    """Drops a column that refers to another table, with its indexes; likewise for tables that no other refers to."""
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        sql = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).scalar_one()
        _make_anew(table, [part for part in _parts(sql) if part.split()[0].strip('"') != name], without=name)
        return
    op.drop_column(table, name)


def _make_anew(table: str, parts: list[str], without: str = "") -> None:
    """SQLite: the table of `parts` with all rows of the one that was, and its indexes but those of `without`."""
    connection = op.get_bind()
    indexes = connection.exec_driver_sql(
        "SELECT sql FROM sqlite_master WHERE tbl_name = ? AND type = 'index' AND sql IS NOT NULL", (table,)
    ).scalars()
    made = [str(index) for index in indexes if not without or without not in str(index)]
    named = [str(row[1]) for row in connection.exec_driver_sql(f"PRAGMA table_info({table})") if row[1] != without]
    columns = ", ".join(f'"{name}"' for name in named)
    connection.exec_driver_sql(f"CREATE TABLE anew_{table} ({', '.join(parts)})")
    connection.exec_driver_sql(f"INSERT INTO anew_{table} ({columns}) SELECT {columns} FROM {table}")
    connection.exec_driver_sql(f"DROP TABLE {table}")
    connection.exec_driver_sql(f"ALTER TABLE anew_{table} RENAME TO {table}")
    for index in made:
        connection.exec_driver_sql(index)


def _parts(sql: str) -> list[str]:
    """The columns and constraints of a CREATE TABLE, one text each."""
    inner = sql[sql.index("(") + 1 : sql.rindex(")")]
    parts, depth, quoted, start = [], 0, False, 0
    for at, letter in enumerate(inner):
        quoted ^= letter == "'"
        depth += 0 if quoted else {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and not depth and not quoted:
            parts.append(inner[start:at].strip())
            start = at + 1
    return [*parts, inner[start:].strip()]


def reword_check(table: str, name: str, old: str, new: str) -> None:
    """The condition of a CHECK in other words, of a table that others may refer to.

    No row is touched: SQLite keeps a table as the text that made it, and is given another (its own advice for changes
    that do not concern what is stored); PostgreSQL looks the rows over. Rows must satisfy `new` already.
    """
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        replace_check(table, name, new)
        return
    sql = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).scalar_one()
    if sql.count(old) != 1:
        raise ValueError(f"{table} does not say {old!r} once")
    version = connection.exec_driver_sql("PRAGMA schema_version").scalar_one()
    connection.exec_driver_sql("PRAGMA writable_schema = ON")
    connection.exec_driver_sql("UPDATE sqlite_master SET sql = ? WHERE name = ?", (sql.replace(old, new), table))
    connection.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")  # other connections read it anew
    connection.exec_driver_sql("PRAGMA writable_schema = OFF")
