"""A database that a test used is either as new, or used no more."""

from __future__ import annotations

import psycopg
import pytest
import sqlalchemy as sa

from tests.clean import Databases

COUNTED = "SELECT count(*), coalesce(max(id), 0) FROM items"
GIVEN = "INSERT INTO items (sku) VALUES ('MUG-1')"


def asked(databases: Databases, name: str, *statements: str) -> tuple[object, ...] | None:
    plain = sa.make_url(databases.url(name)).set(drivername="postgresql").render_as_string(False)
    answer = None
    with psycopg.connect(plain) as connection:
        for statement in statements:
            cursor = connection.execute(statement)
            answer = cursor.fetchone() if cursor.description else None
    return answer


def test_rows_go_and_numbers_begin_anew(postgres: Databases) -> None:
    name = postgres.take()
    assert asked(postgres, name, COUNTED) == (0, 0)
    assert asked(postgres, name, GIVEN, GIVEN.replace("MUG-1", "MUG-2"), COUNTED) == (2, 2)
    assert postgres.emptied(name)
    assert asked(postgres, name, COUNTED) == (0, 0)
    assert asked(postgres, name, GIVEN, COUNTED) == (1, 1)
    postgres.give_back(name)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE items DROP COLUMN title",
        "ALTER TABLE items ADD COLUMN more integer",
        "CREATE TABLE more (id integer)",
        "CREATE INDEX more ON items (title)",
        "ALTER TABLE stock DISABLE TRIGGER ALL",
        "UPDATE alembic_version SET version_num = '0001'",
        "CREATE FUNCTION more() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "CREATE SCHEMA more",
    ],
)
def test_what_is_not_as_the_migrations_leave_it_is_not_used_again(postgres: Databases, change: str) -> None:
    name = postgres.take()
    asked(postgres, name, change)
    assert not postgres.emptied(name)
    postgres.give_back(name)
    assert postgres.take() != name


def test_who_is_still_connected_is_sent_away(postgres: Databases) -> None:
    name = postgres.take()
    plain = sa.make_url(postgres.url(name)).set(drivername="postgresql").render_as_string(False)
    with psycopg.connect(plain) as left:
        left.execute("LOCK TABLE items IN ACCESS EXCLUSIVE MODE")
        assert postgres.emptied(name)
        with pytest.raises(psycopg.OperationalError):
            left.execute("SELECT 1")
    postgres.give_back(name)
