"""Monthly partitions of the records and of their history, created when the first record of a month arrives."""

from collections.abc import Collection, Iterable
from datetime import date, timedelta
from typing import Any, Final

from psycopg import Connection, Rollback, sql
from psycopg.conninfo import make_conninfo

from cdr_pipeline.warehouse.server.engine import connect
from cdr_pipeline.warehouse.statements import named, statement

PARTITIONED: Final = ("cdr", "cdr_history")


def add_missing_partitions(connection: Connection[Any], business_dates: Iterable[date], *, apart: bool) -> None:
    """Creates the partitions that records of these dates need.

    Creating a month only waits for other transactions that create one; readers and loads of other months continue.

    Args:
        connection: connection in an open transaction, which keeps retention from dropping these partitions.
        business_dates: dates of the records.
        apart: whether a short transaction of another connection creates them, so that other loads do not wait for the
            end of this one. The partitions stay, empty, if this transaction is rolled back.
    """
    missing = missing_months(connection, {day.replace(day=1) for day in business_dates})
    if not missing:
        return
    # A transaction that has attached a month holds the lock already, and the other connection would wait for it.
    if not apart or connection.execute(statement("records/holds_partitions")).fetchone() == (True,):
        _add(connection, missing)
        return
    url = make_conninfo(connection.info.dsn, password=connection.info.password or None)
    with connect(url) as other, other.transaction():
        _add(other, missing)


def missing_months(connection: Connection[Any], months: Iterable[date]) -> list[date]:
    """Which of some months, by their first days, have no partition; those that have one keep it until the commit."""
    connection.execute(statement("retention/lock_partitions_shared"))
    return _missing(connection, sorted(months))


class FilledMonth:
    """Table that a load fills before it becomes the partition of a new month.

    Only the load's transaction sees the table, and it has no indexes. Indexes that are built by sorting take a fraction
    of the time of row-by-row updates. Other loads do not wait: if one of them creates the month, the rows move there.

    Args:
        connection: connection in the load's transaction.
        month: first day of a month without partition.
        batch_id: id of the load, for the name of the table.

    Attributes:
        month: first day of the month.
        name: name of the table.
    """

    def __init__(self, connection: Connection[Any], month: date, batch_id: object) -> None:
        self.month = month
        self.name = f"cdr_filling_y{month:%Y}m{month:%m}_{batch_id}".replace("-", "")
        self._connection = connection
        self._has_key = False
        self._run("records/add_partition", table=sql.Identifier("cdr"))

    def add_key(self) -> None:
        """Builds the primary key, for statements that look for records of the table."""
        if not self._has_key:
            self._run("records/add_partition_key")
            self._has_key = True

    def attach(self) -> None:
        """Makes the table the partition of its month, or moves its rows there if another load has created the month.

        From then on loads that need another new month wait for the end of this transaction.
        """
        # The inner transaction that is rolled back releases the lock.
        with self._connection.transaction():
            self._connection.execute(statement("records/lock_partitions"))
            if not _missing(self._connection, [self.month]):
                raise Rollback
            partition = sql.Identifier(partition_name("cdr", self.month))
            self._run("records/rename_partition", new_name=partition)
            _add(self._connection, [self.month])
            # Without statistics, the next load may compare each of its records with all of the month, for minutes. A
            # small sample is enough until autovacuum takes a larger one, which it does because of the inserted rows.
            self._connection.execute("SET LOCAL default_statistics_target = 20")
            self._connection.execute(named("records/analyze_partition", partition=partition))
            self._connection.execute("SET LOCAL default_statistics_target = DEFAULT")
            return
        self._run("records/move_records")
        self._run("retention/drop_partition")

    def _run(self, name: str, **parts: sql.Composable) -> None:
        self._connection.execute(named(name, partition=sql.Identifier(self.name), **parts))


def partition_name(table: str, month: date) -> str:
    """Name of the partition of a month."""
    return f"{table}_y{month:%Y}m{month:%m}"


def whole_months(days: Collection[date]) -> dict[str, date]:
    """``first_date`` and ``last_date`` of the months of some days, and of those in between."""
    return {"first_date": min(days).replace(day=1), "last_date": next_month(max(days)) - timedelta(days=1)}


def next_month(month: date) -> date:
    """First day of the next month."""
    return month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1, day=1)


def _add(connection: Connection[Any], months: Iterable[date]) -> None:
    """Creates the tables of months that are still missing, unless they exist, and attaches them."""
    connection.execute(statement("records/lock_partitions"))
    for month in _missing(connection, sorted(months)):
        bounds = {"first_day": sql.Literal(month), "end_day": sql.Literal(next_month(month))}
        for table in PARTITIONED:
            connection.execute(named("records/add_partition", **_names(table, month)))
            connection.execute(named("records/attach_partition", **_names(table, month), **bounds))


def _missing(connection: Connection[Any], months: list[date]) -> list[date]:
    return [row[0] for row in connection.execute(statement("records/missing_months"), {"months": months})]


def _names(table: str, month: date) -> dict[str, sql.Composable]:
    return {"table": sql.Identifier(table), "partition": sql.Identifier(partition_name(table, month))}
