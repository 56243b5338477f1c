"""Stored texts that are longer than their field allows now. A migration looks for them once and stores what it finds.

Records that were loaded before the limits existed stay as they are. A new delivery of such a value is rejected.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg

from cdr_pipeline.core.fields.dictionary import FIELDS
from cdr_pipeline.warehouse.statement_runner import StatementRunner

if TYPE_CHECKING:
    import sqlalchemy


@dataclass(frozen=True, slots=True)
class LongValues:
    """Records of an account with a text above the limit of a field.

    Attributes:
        account_id: account that owns the records.
        field: name of the field.
        most_bytes: limit of the field in bytes when the warehouse was checked.
        records: number of records.
        longest: bytes of the longest text.
    """

    account_id: str
    field: str
    most_bytes: int
    records: int
    longest: int


def record_long_values(connection: "sqlalchemy.Connection") -> None:
    """Checks all records, in one pass, and stores the result. For the migration."""
    limits = {field.name: field.longest for field in FIELDS if field.longest is not None}
    stored = set(
        connection.exec_driver_sql("SELECT attname FROM pg_attribute WHERE attrelid = 'cdr'::regclass").scalars()
    )
    checked = {name: limit for name, limit in limits.items() if name in stored}
    exceeded = " OR ".join(f"octet_length({name}) > {limit}" for name, limit in checked.items())
    values = ", ".join(f"('{name}', octet_length({name}), {limit})" for name, limit in checked.items())
    connection.exec_driver_sql(
        # Names and limits are those of the dictionary.
        "INSERT INTO long_values (account_id, field, most_bytes, records, longest)"  # noqa: S608
        " SELECT account_id, checked.field, checked.most_bytes, count(*), max(checked.bytes)"
        f" FROM cdr CROSS JOIN LATERAL (VALUES {values}) AS checked (field, bytes, most_bytes)"
        f" WHERE ({exceeded}) AND checked.bytes > checked.most_bytes"
        " GROUP BY account_id, checked.field, checked.most_bytes"
    )


def find_long_values(connection: psycopg.Connection[Any]) -> list[LongValues]:
    """What the migration found, by account and field."""
    return StatementRunner(connection).records(LongValues, "records/long_values")
