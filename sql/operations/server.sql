-- Name:        is_cluster
-- Purpose:     whether the tables of this database are distributed over a cluster.
-- Parameters:  none.   Grain: one row.   Locks: none.
SELECT to_regclass('pg_dist_partition') IS NOT NULL AS is_cluster

-- Name:        link_folder
-- Purpose:     link a warehouse to a data folder; an existing link stays.
-- Parameters:  warehouse_id, now.   Grain: the one row.   Locks: the row.   Idempotent: yes.
INSERT INTO warehouse_identity (warehouse_id, linked_at)
VALUES (%(warehouse_id)s, %(now)s)
ON CONFLICT (only_row) DO NOTHING

-- Name:        distribute_table
-- Purpose:     distribute a table over the nodes of a cluster by account, colocated with another table.
-- Parameters:  table; colocated: the other table, or "default" for the first one.
-- Locks:       the table, until the end of the transaction.   Idempotent: no; the caller skips distributed tables.
SELECT create_distributed_table(%(table)s::regclass, 'account_id', colocate_with => %(colocated)s)

-- Name:        copy_table_to_nodes
-- Purpose:     copy a small table to each node of a cluster, as a reference table.
-- Parameters:  table.   Locks: the table, until the end.   Idempotent: no; the caller leaves placed tables out.
SELECT create_reference_table(%(table)s::regclass)

-- Name:        is_distributed
-- Purpose:     whether the records of a Citus database are distributed.   Parameters: none.   Grain: one row.
-- Locks:       none.
SELECT EXISTS (SELECT 1 FROM pg_dist_partition WHERE logicalrelid = 'cdr'::regclass) AS is_distributed

-- Name:        open_sessions
-- Purpose:     programs of this product that are connected to this database, and others with an open transaction.
-- Parameters:  none.   Grain: program.   Locks: none.
SELECT
    coalesce(nullif(application_name, ''), 'without a name') AS program,
    count(*) AS sessions
FROM pg_stat_activity
WHERE
    datname = current_database()
    AND pid <> pg_backend_pid()
    AND backend_type = 'client backend'
    AND (application_name LIKE 'cdr_pipeline%%' OR xact_start IS NOT NULL)
GROUP BY 1
ORDER BY 1

-- Name:        prepared_transactions
-- Purpose:     prepared transactions of this database on each node of a cluster: their names, separated by blanks.
-- Parameters:  none.   Grain: node; success is false for a node that cannot be reached.   Locks: none.
SELECT
    nodes.nodename || ':' || nodes.nodeport AS node,
    answers.success,
    answers.result
FROM run_command_on_all_nodes(
    'SELECT string_agg(gid, '' '') FROM pg_prepared_xacts WHERE database = current_database()'
) AS answers
INNER JOIN pg_dist_node AS nodes ON nodes.nodeid = answers.nodeid

-- Name:        isolate_on_cluster
-- Purpose:     the policy of an isolated table as Citus accepts it: the same condition without a subquery.
-- Parameters:  none; the table is filled in.   Locks: the table, until the end.   Idempotent: yes.
-- A single server keeps the form with a subquery, because it evaluates a subquery once and this condition for each row.
ALTER POLICY within_scope ON {table} USING (
    account_id = ANY(nullif(current_setting('cdr.account_scope', true), '')::text [])
)

-- Name:        isolated_tables
-- Purpose:     tables with the policy of the reading role, without partitions.
-- Parameters:  none.   Grain: table.   Locks: none.
SELECT pg_class.relname
FROM pg_policy
INNER JOIN pg_class ON pg_class.oid = pg_policy.polrelid
WHERE
    pg_policy.polname = 'within_scope'
    AND pg_class.relnamespace = current_schema()::regnamespace
    AND NOT pg_class.relispartition
ORDER BY pg_class.relname

-- Name:        reader_logs_in
-- Purpose:     whether the reading role may log in.   Parameters: none.   Grain: none without the role.   Locks: none.
SELECT rolcanlogin
FROM pg_roles
WHERE rolname = 'cdr_reader'

-- Name:        log_stage
-- Purpose:     write the changes of a stage to the log, so that a cluster can move its shards while loads run.
-- Parameters:  none; the table is filled in.   Locks: the table, until the end.   Idempotent: yes.
ALTER TABLE {table} SET LOGGED

-- Name:        relink_folder
-- Purpose:     link the warehouse to another data folder.
-- Parameters:  warehouse_id, now.   Grain: the one row.   Locks: the row.   Idempotent: yes.
INSERT INTO warehouse_identity (warehouse_id, linked_at)
VALUES (%(warehouse_id)s, %(now)s)
ON CONFLICT (only_row) DO UPDATE SET
    warehouse_id = excluded.warehouse_id,
    linked_at = excluded.linked_at

-- Name:        replayed_position
-- Purpose:     position in the log that a replica has replayed, in bytes, and the time of its last transaction.
-- Parameters:  none.   Grain: one row; the position is null on a server that is not a replica.   Locks: none.
SELECT
    pg_is_in_recovery() AS in_recovery,
    CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() - '0/0'::pg_lsn END AS position,
    pg_last_xact_replay_timestamp() AS replayed_at

-- Name:        replicate_whole_rows
-- Purpose:     identify rows of a table without a key by all columns, for logical replication between nodes.
-- Parameters:  none; the table is filled in.   Locks: the table, until the end.   Idempotent: yes.
ALTER TABLE {table} REPLICA IDENTITY FULL

-- Name:        rights
-- Purpose:     user of this session, the schema of its new tables, and whether it may create tables there.
-- Parameters:  none.   Grain: one row; the schema is null if the search path has none.   Locks: none.
SELECT
    current_user::text AS user_name,
    current_schema()::text AS schema_name,
    coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_create

-- Name:        rights_on_nodes
-- Purpose:     whether this user may create tables in a schema, on each node of a cluster.
-- Parameters:  schema.   Grain: node; success is false for a node that this user cannot reach.   Locks: none.
SELECT
    nodes.nodename || ':' || nodes.nodeport AS node,
    answers.success,
    answers.result
FROM run_command_on_all_nodes(
    format('SELECT has_schema_privilege(%%L, ''CREATE'')', %(schema)s::text)
) AS answers
INNER JOIN pg_dist_node AS nodes ON nodes.nodeid = answers.nodeid
ORDER BY node

-- Name:        schema_revision
-- Purpose:     the revision of the tables.   Parameters: none.   Grain: one row.   Locks: none.
SELECT version_num
FROM alembic_version

-- Name:        size_of_tables
-- Purpose:     bytes of tables with their partitions, indexes and long values; a table that is missing has none.
-- Parameters:  tables (array of names).   Grain: one row.   Locks: none.
SELECT
    coalesce(sum(coalesce(
        (SELECT sum(pg_total_relation_size(tree.relid)) FROM pg_partition_tree(to_regclass(wanted.name)) AS tree),
        pg_total_relation_size(to_regclass(wanted.name))
    )), 0)::bigint AS bytes
FROM unnest(%(tables)s::text []) AS wanted (name)

-- Name:        size_on_nodes
-- Purpose:     bytes of distributed tables on all nodes of a cluster, as size_of_tables; there the tables are empty.
-- Parameters:  tables (array of names).   Grain: one row.   Locks: none.
SELECT coalesce(sum(citus_total_relation_size(pg_dist_partition.logicalrelid, false)), 0)::bigint AS bytes
FROM pg_dist_partition
WHERE
    pg_dist_partition.logicalrelid IN (
        SELECT tree.relid
        FROM unnest(%(tables)s::text []) AS wanted (name)
        CROSS JOIN LATERAL pg_partition_tree(to_regclass(wanted.name)) AS tree
        UNION ALL
        SELECT to_regclass(wanted.name)
        FROM unnest(%(tables)s::text []) AS wanted (name)
    )

-- Name:        undistributed_tables
-- Purpose:     tables of a Citus database, without partitions, that are on the coordinator only.
-- Parameters:  none.   Grain: table.   Locks: none.
SELECT pg_class.relname
FROM pg_class
WHERE
    pg_class.relnamespace = current_schema()::regnamespace
    AND pg_class.relkind IN ('r', 'p')
    AND NOT pg_class.relispartition
    AND NOT EXISTS (SELECT 1 FROM pg_dist_partition WHERE pg_dist_partition.logicalrelid = pg_class.oid)
ORDER BY pg_class.relname

-- Name:        warehouse_clock
-- Purpose:     current time by the clock of the warehouse server.   Parameters: none.   Grain: one row.   Locks: none.
SELECT clock_timestamp() AS moment

-- Name:        warehouse_identity
-- Purpose:     id of the data folder that the warehouse is linked to.
-- Parameters:  none.   Grain: at most one row.   Locks: none.
SELECT warehouse_id
FROM warehouse_identity

-- Name:        written_position
-- Purpose:     position that the server has written to its log, in bytes.
-- Parameters:  none.   Grain: one row; an error on a replica.   Locks: none.
SELECT pg_current_wal_lsn() - '0/0'::pg_lsn AS position

-- Name:        text_of_times
-- Purpose:     the settings by which each node of a cluster writes instants and dates for this user.
-- Parameters:  none.   Grain: node; success is false for a node that cannot be reached.   Locks: none.
SELECT
    nodes.nodename || ':' || nodes.nodeport AS node,
    answers.success,
    answers.result
FROM run_command_on_all_nodes(
    'SELECT concat_ws(''; '', current_setting(''timezone''), current_setting(''datestyle''), current_setting(''intervalstyle''))'
) AS answers
INNER JOIN pg_dist_node AS nodes ON nodes.nodeid = answers.nodeid
