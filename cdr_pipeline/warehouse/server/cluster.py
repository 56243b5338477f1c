"""Distributes the tables of a Citus database over its nodes, by account."""

from typing import Any, Final

from psycopg import Connection, sql
from psycopg.errors import InsufficientPrivilege

from cdr_pipeline.errors import WarehouseError
from cdr_pipeline.warehouse.accounts.tenancy import READER
from cdr_pipeline.warehouse.statements import named, statement

# Small tables that many statements join; each node has a copy.
REFERENCE: Final = frozenset({"accounts", "account_zones"})
# Tables that stay on the coordinator: leases depend on its clock, and a token is looked up before its account is known.
LOCAL: Final = frozenset(
    {
        "collections", "alembic_version", "migration_checksums", "warehouse_identity",
        "api_tokens", "api_secrets", "api_answers",
    }
)  # fmt: skip


def is_cluster(connection: Connection[Any]) -> bool:
    """Whether the database has the Citus extension."""
    return connection.execute(statement("operations/is_cluster")).fetchone() == (True,)


def undistributed_tables(connection: Connection[Any]) -> tuple[str, ...]:
    """Tables of a cluster that ``distribute`` has yet to distribute; none on a single server.

    A database whose tables are distributed in part rejects statements that join the two parts.
    """
    if not is_cluster(connection):
        return ()
    rows = connection.execute(statement("operations/undistributed_tables")).fetchall()
    return tuple(row[0] for row in rows if row[0] not in LOCAL)


def distribute(connection: Connection[Any]) -> tuple[str, ...]:
    """Distributes tables by account, with the rows of one account on the same node; skips distributed tables.

    One transaction distributes all tables, so that a failure leaves the database as it was. The reading role may log in
    afterwards, because the coordinator connects to the nodes with the role of the session.

    Returns:
        Names of the tables that this call distributed.

    Raises:
        WarehouseError: the database does not have the Citus extension or no nodes, or a right is missing.
    """
    if not is_cluster(connection):
        raise WarehouseError(
            "this database has no Citus",
            hint="run CREATE EXTENSION citus and add the nodes first; a single server does not need this command",
        )
    with connection.transaction():
        connection.execute("SET LOCAL citus.multi_shard_modify_mode = 'sequential'")
        waiting = undistributed_tables(connection)
        for (table,) in connection.execute(statement("operations/isolated_tables")).fetchall():
            if table in waiting:
                connection.execute(named("operations/isolate_on_cluster", table=sql.Identifier(table)))
        # The table cdr comes first, because the others are colocated with it.
        for table in sorted(waiting, key=lambda name: (name not in REFERENCE, name != "cdr", name)):
            name = "operations/copy_table_to_nodes" if table in REFERENCE else "operations/distribute_table"
            connection.execute(statement(name), {"table": table, "colocated": "default" if table == "cdr" else "cdr"})
        _let_reader_log_in(connection)
    return waiting


def _let_reader_log_in(connection: Connection[Any]) -> None:
    if connection.execute(statement("operations/reader_logs_in")).fetchone() != (False,):
        return
    try:
        connection.execute(sql.SQL("ALTER ROLE {} LOGIN").format(sql.Identifier(READER)))
    except InsufficientPrivilege:
        raise WarehouseError(
            f"this user may not change the role {READER}, which has to log in to the nodes of the cluster",
            hint=f"as an administrator on the coordinator: ALTER ROLE {READER} LOGIN; then run this command again",
        ) from None
