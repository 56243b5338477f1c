"""Spreads the tables of a Citus database over its nodes, by account."""

from typing import Any, Final

from psycopg import Connection

from cdr_pipeline.errors import WarehouseError
from cdr_pipeline.warehouse.statements import statement

# Small, and joined with everything or with one another: a copy on each node.
REFERENCE: Final = frozenset({"accounts", "account_zones"})
# Leases are taken by the coordinator's own clock and joined with nothing; they stay there.
LOCAL: Final = frozenset({"collections", "alembic_version", "migration_checksums", "warehouse_identity"})


def distribute(connection: Connection[Any]) -> tuple[str, ...]:
    """Places the rows of each table by their account, those of one account together; tables that are placed stay so.

    Returns:
        The tables that were placed now.

    Raises:
        WarehouseError: the database has no Citus.
    """
    if connection.execute(statement("operations/is_cluster")).fetchone() != (True,):
        raise WarehouseError(
            "this database has no Citus",
            hint="CREATE EXTENSION citus and add the nodes first; on one machine nothing needs to be distributed",
        )
    waiting = [
        row[0] for row in connection.execute(statement("operations/undistributed_tables")) if row[0] not in LOCAL
    ]
    # Others are placed beside cdr.
    for table in sorted(waiting, key=lambda name: (name not in REFERENCE, name != "cdr", name)):
        name = "operations/copy_table_to_nodes" if table in REFERENCE else "operations/distribute_table"
        connection.execute(statement(name), {"table": table, "beside": "default" if table == "cdr" else "cdr"})
    return tuple(waiting)
