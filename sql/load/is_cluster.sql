-- Purpose:     whether the tables of this database are spread over a cluster.
-- Parameters:  none.   Grain: one row.   Locks: none.
SELECT to_regclass('pg_dist_partition') IS NOT NULL AS is_cluster
