-- Purpose:     place a table's rows on the nodes of a cluster by their account, beside those of another table.
-- Parameters:  table, beside.   Locks: the table, until the end.   Idempotent: no; the caller leaves placed tables out.
SELECT create_distributed_table(%(table)s::regclass, 'account_id', colocate_with => %(beside)s)
