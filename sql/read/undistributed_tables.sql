-- Purpose:     tables of a Citus database, partitions aside, that are on the coordinator alone.
-- Parameters:  none.   Grain: table.   Locks: none.
SELECT pg_class.relname
FROM pg_class
WHERE
    pg_class.relnamespace = current_schema()::regnamespace
    AND pg_class.relkind IN ('r', 'p')
    AND NOT pg_class.relispartition
    AND NOT EXISTS (SELECT 1 FROM pg_dist_partition WHERE pg_dist_partition.logicalrelid = pg_class.oid)
ORDER BY pg_class.relname
