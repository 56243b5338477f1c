"""Distributes the tables of a Citus database over its nodes, by account."""

import time
from typing import Any, Final

from psycopg import Connection, sql
from psycopg.errors import InsufficientPrivilege

from cdr_pipeline.errors import WarehouseError, WarehouseNotMigrated, WarehouseUnavailable
from cdr_pipeline.errors.counts import count_of
from cdr_pipeline.warehouse.accounts.tenancy import READER
from cdr_pipeline.warehouse.server.engine import SESSION
from cdr_pipeline.warehouse.statements import named, statement

# Citus resolves transactions in doubt once a minute by default.
_RESOLVED_WITHIN_SECONDS: Final = 180.0
_LOOK_SECONDS: Final = 1.0
# Settings by which a node writes instants and dates as text. Settings of the coordinator's session do not reach nodes.
_TEXT_OF_TIMES: Final = {name: SESSION[name] for name in ("timezone", "datestyle", "intervalstyle")}
# Small tables that many statements join; each node has a copy.
REFERENCE: Final = frozenset({"accounts", "account_zones"})
# Stages are not logged and have no key on a single server; a cluster moves shards online by logical replication.
_STAGES: Final = frozenset({"cdr_stage", "cdr_link_stage"})
# Tables that stay on the coordinator: leases depend on its clock, and a token is looked up before its account is known.
LOCAL: Final = frozenset(
    {
        "collections", "alembic_version", "migration_checksums", "warehouse_identity",
        "api_tokens", "api_secrets", "api_answers", "night_shards", "step_leases", "request_pace",
        "alert_topics", "alerts", "alert_deliveries", "webhooks", "webhook_dead_letters", "extracts",
        "console_users", "console_links", "console_sessions", "console_events",
        "inbound_places", "inbound_files",
    }
)  # fmt: skip


def is_cluster(connection: Connection[Any]) -> bool:
    """Whether the database has the Citus extension."""
    return connection.execute(statement("operations/is_cluster")).fetchone() == (True,)


def _undistributed_tables(connection: Connection[Any]) -> tuple[str, ...]:
    """Tables of a cluster that ``distribute`` has yet to distribute.

    A database whose tables are distributed in part rejects statements that join the two parts.
    """
    rows = connection.execute(statement("operations/undistributed_tables")).fetchall()
    return tuple(row[0] for row in rows if row[0] not in LOCAL)


def require_ready(connection: Connection[Any]) -> None:
    """Requires a cluster that is distributed whole and shows instants in UTC, and waits for transactions in doubt.

    A node that was killed during a commit shows half of an acknowledged load until its prepared transactions are
    resolved. Citus resolves them about once a minute. Nothing may be read for a file or a reconciliation before.

    Raises:
        WarehouseNotMigrated: an update has added tables that are not distributed yet, or a node would write instants
            in another zone or form.
        WarehouseUnavailable: a node cannot be reached, or a transaction is still in doubt after some minutes.
    """
    if not is_cluster(connection) or connection.execute(statement("operations/is_distributed")).fetchone() != (True,):
        return
    if waiting := _undistributed_tables(connection):
        raise WarehouseNotMigrated(
            f"{count_of(len(waiting), 'table is', 'tables are')} not distributed over the cluster: "
            f"{', '.join(waiting)}",
            hint="run 'cdr-pipeline warehouse distribute'",
        )
    _require_utc(connection)
    in_doubt = _prepared(connection)
    deadline = time.monotonic() + _RESOLVED_WITHIN_SECONDS
    while in_doubt and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
        # Transactions that began later are at work, not in doubt.
        in_doubt &= _prepared(connection)
    if in_doubt:
        raise WarehouseUnavailable(
            f"{count_of(len(in_doubt), 'transaction')} of the cluster in doubt",
            hint="as an administrator on the coordinator: SELECT recover_prepared_transactions(); then try again",
        )


def _require_utc(connection: Connection[Any]) -> None:
    for node, success, result in connection.execute(statement("operations/text_of_times")).fetchall():
        if success and result != "; ".join(_TEXT_OF_TIMES.values()):
            raise WarehouseNotMigrated(
                f"node {node} of the cluster shows instants and dates to this user as: {result}",
                hint="run 'cdr-pipeline warehouse distribute', which sets UTC and ISO for the user in this database",
            )


def show_times_in_utc(connection: Connection[Any]) -> None:
    """Makes new sessions of this user in this database show UTC in ISO form, also those of its nodes."""
    user = sql.Identifier(connection.info.user)
    database = sql.Identifier(connection.info.dbname)
    for name, value in (_TEXT_OF_TIMES | {"jit": SESSION["jit"]}).items():
        connection.execute(
            sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} = {}").format(
                user, database, sql.Identifier(name), sql.Literal(value)
            )
        )


def _prepared(connection: Connection[Any]) -> set[str]:
    """Prepared transactions of all nodes, each with its node."""
    prepared: set[str] = set()
    for node, success, result in connection.execute(statement("operations/prepared_transactions")).fetchall():
        if not success:
            raise WarehouseUnavailable(
                f"node {node} of the cluster cannot be reached",
                hint="start the node, or move its rows and remove it from the cluster",
            )
        prepared.update(f"{node} {name}" for name in (result or "").split())
    return prepared


def distribute(connection: Connection[Any]) -> tuple[str, ...]:
    """Distributes tables by account, with the rows of one account on the same node; skips distributed tables.

    One transaction distributes all tables, so that a failure leaves the database as it was. The reading role may log in
    afterwards, because the coordinator connects to the nodes with the role of the session. Sessions of this user show
    instants in UTC on every node.

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
        waiting = _undistributed_tables(connection)
        for (table,) in connection.execute(statement("operations/isolated_tables")).fetchall():
            if table in waiting:
                connection.execute(named("operations/isolate_on_cluster", table=sql.Identifier(table)))
        for table in _STAGES & set(waiting):
            connection.execute(named("operations/log_stage", table=sql.Identifier(table)))
            connection.execute(named("operations/replicate_whole_rows", table=sql.Identifier(table)))
        # The table cdr comes first, because the others are colocated with it.
        for table in sorted(waiting, key=lambda name: (name not in REFERENCE, name != "cdr", name)):
            name = "operations/copy_table_to_nodes" if table in REFERENCE else "operations/distribute_table"
            connection.execute(statement(name), {"table": table, "colocated": "default" if table == "cdr" else "cdr"})
        _let_reader_log_in(connection)
        show_times_in_utc(connection)
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
