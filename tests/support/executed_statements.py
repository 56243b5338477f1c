"""Executes statements of the product with made-up parameters, to learn whether a server supports them."""

import re
from typing import Any, Final, cast

import psycopg
from psycopg import sql

_PARAMETER: Final = re.compile(r"%\((\w+)\)s")
_COPIED: Final = re.compile(r"\s*COPY\s*\((.*)\)\s*TO STDOUT", re.DOTALL)
# Statements that change tables, and those that read what a client sends.
_LEFT_OUT: Final = ("ALTER", "ANALYZE", "COPY", "CREATE", "DROP", "LOCK", "SET")
_VALUES: Final = {
    "boolean": "true", "bytea": "x", "date": "2026-01-01", "interval": "1 day", "jsonb": "{}",
    "regclass": "cdr", "timestamp with time zone": "2026-01-01", "uuid": "00000000-0000-0000-0000-000000000000",
}  # fmt: skip


def execute(connection: psycopg.Connection[Any], text: str) -> None:
    """Executes a statement and rolls it back; one that the server cannot prepare or that rejects the values counts.

    Args:
        connection: connection in autocommit mode.
        text: text of the statement, with named parameters.

    Raises:
        psycopg.errors.FeatureNotSupported: the server does not support the statement.
    """
    body = "\n".join(line for line in text.replace("%%", "%").splitlines() if not line.startswith("--"))
    if (copied := _COPIED.match(body)) is not None:
        body = copied[1]
    if body.lstrip().startswith(_LEFT_OUT):
        return
    numbers: dict[str, int] = {}
    body = _PARAMETER.sub(lambda found: f"${numbers.setdefault(found[1], len(numbers) + 1)}", body)
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(cast("Any", f"PREPARE tried AS {body}"))
            row = connection.execute(
                "SELECT parameter_types::text [] FROM pg_prepared_statements WHERE name = 'tried'"
            ).fetchone()
            types: list[str] = row[0] if row is not None else []
            values = sql.SQL(", ").join(
                sql.SQL("{}::{}").format(_value(kind), sql.SQL(cast("Any", kind))) for kind in types
            )
            connection.execute(sql.SQL("EXECUTE tried ({})" if types else "EXECUTE tried").format(values))
    except psycopg.errors.FeatureNotSupported:
        raise
    except psycopg.Error:
        pass
    finally:
        connection.execute("DEALLOCATE ALL")


def _value(kind: str) -> sql.Literal:
    one = _VALUES.get(kind.removesuffix("[]"))
    if not kind.endswith("[]"):
        return sql.Literal(one or "1")
    # Several, so that the accounts of a list are on several nodes.
    return sql.Literal(f"{{{one or '1,2,3,4,5,6,7,8,9'}}}")
