"""What every table is made of."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Integer, MetaData, Text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite gives an automatic rowid only to INTEGER PRIMARY KEY, which there is 64 bits wide all the same.
Id = BigInteger().with_variant(Integer, "sqlite")


def own_id() -> Column[int]:
    return Column("id", Id, primary_key=True)


def ref(name: str, target: str, *, null: bool = False) -> Column[int]:
    return Column(name, Id, ForeignKey(target), nullable=null)


def words(name: str, default: str = "") -> Column[str]:
    return Column(name, Text, nullable=False, server_default=default)


def count(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default="0")


def big(name: str, default: str | None = "0", *, null: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=null, server_default=None if null else default)


def one_of(column: str, *values: str) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(v) for v in values)})", name=column)


def not_negative(*columns: str) -> list[CheckConstraint]:
    return [CheckConstraint(f"{column} >= 0", name=f"{column}_not_negative") for column in columns]
