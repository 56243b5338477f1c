"""Rights that a migration needs, checked before it begins, on each node of a cluster."""

from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from cdr_pipeline.errors import WarehouseRightMissing
from cdr_pipeline.privacy.redaction import redact
from cdr_pipeline.warehouse.server.cluster import is_cluster
from cdr_pipeline.warehouse.statements import statement


@dataclass(frozen=True, slots=True)
class _Lack:
    """What is missing on a server, and the command that an administrator runs there."""

    what: str
    command: str


def require_rights(connection: Connection[Any]) -> None:
    """Requires that the user of the URL may create tables, on each node of a cluster.

    Raises:
        WarehouseRightMissing: the message names each missing right and its node, the hint the commands.
    """
    user, schema, may_create = connection.execute(statement("operations/rights")).fetchone() or ("", None, False)
    if schema is None:
        raise WarehouseRightMissing(
            f"user {user} has no schema to create tables in: none of its search_path exists or is usable",
            hint=f"as an administrator, in this database: GRANT USAGE, CREATE ON SCHEMA public TO {user};",
        )
    if is_cluster(connection):
        lacks = _lacks_of_nodes(connection, user, schema)
    else:
        lacks = [] if may_create else [_no_create("the server", user, schema)]
    if lacks:
        commands = " ".join(dict.fromkeys(lack.command for lack in lacks))
        raise WarehouseRightMissing(
            "; ".join(lack.what for lack in lacks),
            hint=f"as an administrator, in this database, there: {commands}",
        )


def _no_create(where: str, user: str, schema: str) -> _Lack:
    return _Lack(
        f"user {user} may not create tables in the schema {schema} on {where}",
        f"GRANT USAGE, CREATE ON SCHEMA {schema} TO {user};",
    )


def _lacks_of_nodes(connection: Connection[Any], user: str, schema: str) -> list[_Lack]:
    lacks: list[_Lack] = []
    rows = connection.execute(statement("operations/rights_on_nodes"), {"schema": schema}).fetchall()
    for node, success, result in rows:
        where = f"node {node}"
        if not success:
            lacks.append(
                _Lack(
                    f"user {user} cannot use {where}: {redact(result or 'no answer')}",
                    f"create the role {user} and the database there, and admit it in pg_hba.conf;",
                )
            )
        elif result != "t":
            lacks.append(_no_create(where, user, schema))
    return lacks
