"""Distributes the tables of a Citus database over its nodes, by account."""

from typing import Any, Final

from psycopg import Connection

from cdr_pipeline.errors import WarehouseError
from cdr_pipeline.warehouse.statements import statement

# Small tables that many statements join; each node has a copy.
REFERENCE: Final = frozenset({"accounts", "account_zones"})
# Tables that stay on the coordinator. Leases depend on its clock, and no statement joins these tables with others.
LOCAL: Final = frozenset({"collections", "alembic_version", "migration_checksums", "warehouse_identity"})


def distribute(connection: Connection[Any]) -> tuple[str, ...]:
    """Distributes tables by account, with the rows of one account on the same node; skips distributed tables.

    Returns:
        Names of the tables that this call distributed.

    Raises:
        WarehouseError: the database does not have the Citus extension.
    """
    if connection.execute(statement("operations/is_cluster")).fetchone() != (True,):
        raise WarehouseError(
            "this database has no Citus",
            hint="run CREATE EXTENSION citus and add the nodes first; a single server does not need this command",
        )
    waiting = [
        row[0] for row in connection.execute(statement("operations/undistributed_tables")) if row[0] not in LOCAL
    ]
    # The table cdr comes first, because the others are colocated with it.
    for table in sorted(waiting, key=lambda name: (name not in REFERENCE, name != "cdr", name)):
        name = "operations/copy_table_to_nodes" if table in REFERENCE else "operations/distribute_table"
        connection.execute(statement(name), {"table": table, "colocated": "default" if table == "cdr" else "cdr"})
    return tuple(waiting)
