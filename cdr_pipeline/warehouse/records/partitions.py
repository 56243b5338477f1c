"""Monthly partitions of the records and of their history, created when the first record of a month arrives."""

from collections.abc import Collection, Generator, Iterable
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any, Final

from psycopg import Connection, sql

from cdr_pipeline.warehouse.statements import named, statement

PARTITIONED: Final = ("cdr", "cdr_history")


def add_missing_partitions(connection: Connection[Any], business_dates: Iterable[date]) -> tuple[date, ...]:
    """Creates the partitions that records of these dates need, in the open transaction.

    Returns:
        First days of the months that were missing.
    """
    with missing_partitions(connection, business_dates) as added:
        return added


@contextmanager
def missing_partitions(connection: Connection[Any], business_dates: Iterable[date]) -> Generator[tuple[date, ...]]:
    """Creates tables for missing months and attaches them as partitions when the block ends.

    Until then only this transaction sees the tables, and they have no indexes. Rows inserted before they are attached
    are indexed by sorting, which takes a fraction of the time of row-by-row index updates. Creating a month only waits
    for other transactions that create one; readers and loads of other months continue.

    Yields:
        First days of the months that were missing.
    """
    added = create_missing(connection, {day.replace(day=1) for day in business_dates})
    yield added
    for month in added:
        attach(connection, month)


def create_missing(connection: Connection[Any], months: Iterable[date]) -> tuple[date, ...]:
    """Creates tables for missing months, in the open transaction; ``attach`` makes them partitions.

    Returns:
        First days of the months that were missing.
    """
    wanted = sorted(months)
    connection.execute(statement("retention/lock_partitions_shared"))
    if not _missing(connection, wanted):
        return ()
    connection.execute(statement("records/lock_partitions"))
    added = _missing(connection, wanted)
    for month in added:
        for table in PARTITIONED:
            connection.execute(named("records/add_partition", **_names(table, month)))
    return tuple(added)


def attach(connection: Connection[Any], month: date) -> None:
    """Attaches the tables of a month as partitions, in the transaction that has created them."""
    bounds = {"first_day": sql.Literal(month), "end_day": sql.Literal(next_month(month))}
    for table in PARTITIONED:
        connection.execute(named("records/attach_partition", **_names(table, month), **bounds))


def partition_name(table: str, month: date) -> str:
    """Name of the partition of a month."""
    return f"{table}_y{month:%Y}m{month:%m}"


def whole_months(days: Collection[date]) -> dict[str, date]:
    """``first_date`` and ``last_date`` of the months of some days, and of those in between."""
    return {"first_date": min(days).replace(day=1), "last_date": next_month(max(days)) - timedelta(days=1)}


def next_month(month: date) -> date:
    """First day of the next month."""
    return month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1, day=1)


def _missing(connection: Connection[Any], months: list[date]) -> list[date]:
    return [row[0] for row in connection.execute(statement("records/missing_months"), {"months": months})]


def _names(table: str, month: date) -> dict[str, sql.Composable]:
    return {"table": sql.Identifier(table), "partition": sql.Identifier(partition_name(table, month))}
