"""Monthly partitions of the records and of their history, made when the first record of a month comes in."""

from collections.abc import Iterable
from datetime import date
from typing import Any, Final

from psycopg import Connection, sql

from cdr_pipeline.warehouse.statements import named, statement

PARTITIONED: Final = ("cdr", "cdr_history")


def add_missing_partitions(connection: Connection[Any], business_dates: Iterable[date]) -> tuple[date, ...]:
    """Makes the partitions that records of these dates need, in the open transaction.

    Only the creation of a month waits for others that create one; readers and loads of other months go on.

    Returns:
        First days of the months that were missing.
    """
    months = sorted({day.replace(day=1) for day in business_dates})
    connection.execute(statement("retention/hold_partitions"))
    if not _missing(connection, months):
        return ()
    connection.execute(statement("load/lock_partitions"))
    added = _missing(connection, months)
    for month in added:
        for table in PARTITIONED:
            names = {"table": sql.Identifier(table), "partition": sql.Identifier(partition_name(table, month))}
            bounds = {"first_day": sql.Literal(month), "end_day": sql.Literal(next_month(month))}
            connection.execute(named("load/add_partition", **names))
            connection.execute(named("load/attach_partition", **names, **bounds))
    return tuple(added)


def partition_name(table: str, month: date) -> str:
    """Name of the table that holds a month's rows."""
    return f"{table}_y{month:%Y}m{month:%m}"


def next_month(month: date) -> date:
    """First day of the month after."""
    return month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1, day=1)


def _missing(connection: Connection[Any], months: list[date]) -> list[date]:
    return [row[0] for row in connection.execute(statement("load/missing_months"), {"months": months})]
