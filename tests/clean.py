"""Empty databases on a real PostgreSQL: emptied after a test where that is all it takes, made anew where it is not.

Making and dropping one takes a tenth of a second, emptying one takes a few milliseconds, and a thousand tests want one.
"""

from __future__ import annotations

import itertools

import psycopg
import sqlalchemy as sa

from core.store.schema import open_store

TEMPLATE = "template_ordersync"

_CATALOG = """
SELECT md5(string_agg(what, ',' ORDER BY what)) FROM (
  SELECT 'class' || oid || '.' || xmin AS what FROM pg_class WHERE relnamespace = 'public'::regnamespace
  UNION ALL SELECT 'rule' || oid || '.' || xmin FROM pg_constraint WHERE connamespace = 'public'::regnamespace
  UNION ALL SELECT 'column' || attrelid || '.' || attnum || '.' || a.xmin
    FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid WHERE relnamespace = 'public'::regnamespace
  UNION ALL SELECT 'trigger' || oid || '.' || xmin FROM pg_trigger
  UNION ALL SELECT 'function' || oid || '.' || xmin FROM pg_proc WHERE pronamespace = 'public'::regnamespace
  UNION ALL SELECT 'schema' || oid || '.' || xmin FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp_'
  UNION ALL SELECT 'setting' || setdatabase || setrole || setconfig::text FROM pg_db_role_setting
) AS made
"""
"""Which transaction made each part of the schema: a copy of the template says what the template says."""

_OTHERS = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""

_TABLES = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY relname"

_COUNTERS = """
SELECT setval(format('%I', sequencename)::regclass, start_value, false) FROM pg_sequences WHERE schemaname = 'public'
"""


class Databases:
    """Those of one server, for one process."""

    def __init__(self, server: sa.URL) -> None:
        self._server = server
        self._numbers = itertools.count()
        self._spare: list[str] = []
        self._admin(f"CREATE DATABASE {TEMPLATE}")
        open_store(self.url(TEMPLATE)).close()
        with self._inside(TEMPLATE) as inside:
            self._tables: list[str] = [name for (name,) in inside.execute(_TABLES).fetchall()]
            self._catalog = inside.execute(_CATALOG).fetchone()
            self._given = {name: _content(inside, name) for name in _filled(inside, self._tables)}

    def url(self, name: str) -> str:
        return self._server.set(database=name).render_as_string(hide_password=False)

    def take(self) -> str:
        """The name of a database as the migrations leave it."""
        if self._spare:
            return self._spare.pop()
        name = f"test_{next(self._numbers)}"
        self._admin(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        return name

    def give_back(self, name: str) -> None:
        """After a test, whatever it did to it."""
        if self.emptied(name):
            self._spare.append(name)
        else:
            self._admin(f"DROP DATABASE {name} WITH (FORCE)")

    def emptied(self, name: str) -> bool:
        """Whether it is as a new one now. False where more than rows was changed, or rows that migrations write."""
        with self._inside(name) as inside:
            inside.execute(_OTHERS)
            if inside.execute(_CATALOG).fetchone() != self._catalog:
                return False
            if any(_content(inside, table) != content for table, content in self._given.items()):
                return False
            inside.execute("SET session_replication_role = replica")  # rows go in any order
            for table in _filled(inside, self._tables):
                if table not in self._given:
                    inside.execute(f'DELETE FROM "{table}"')
            inside.execute(_COUNTERS)
        return True

    def _inside(self, name: str) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(self._server.set(drivername="postgresql", database=name).render_as_string(False))

    def _admin(self, statement: str) -> None:
        with psycopg.connect(self._server.set(drivername="postgresql").render_as_string(False), autocommit=True) as one:
            one.execute(statement)


def _filled(inside: psycopg.Connection[tuple[object, ...]], tables: list[str]) -> list[str]:
    asked = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM \"{name}\")" for name in tables)
    return [str(name) for (name,) in inside.execute(asked).fetchall()]


def _content(inside: psycopg.Connection[tuple[object, ...]], table: str) -> object:
    return inside.execute(f"SELECT string_agg(t::text, ',' ORDER BY t::text) FROM \"{table}\" AS t").fetchone()
