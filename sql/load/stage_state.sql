-- Purpose:     whether the tables of this database are spread over a cluster, and whether this session has its own stage.
-- Parameters:  none.   Grain: one row.   Locks: none.
SELECT
    to_regclass('pg_dist_partition') IS NOT NULL AS is_cluster,
    to_regclass('pg_temp.cdr_stage') IS NOT NULL AS has_own_stage
