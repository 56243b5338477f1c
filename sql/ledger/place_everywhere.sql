-- Purpose:     keep a copy of a small table on each node of a cluster.
-- Parameters:  table.   Locks: the table, until the end.   Idempotent: no; the caller leaves placed tables out.
SELECT create_reference_table(%(table)s::regclass)
