-- Purpose:     which months' partitions a batch needs that are not there yet. Asked of the catalogue's tables: to_regclass
--              would answer from what this session remembers, and not see what another one has just committed.
-- Parameters:  months (array of first days).   Grain: month.   Locks: none.
SELECT wanted.month
FROM unnest(%(months)s::date []) AS wanted (month)
WHERE
    NOT EXISTS (
        SELECT 1
        FROM pg_inherits
        INNER JOIN pg_class ON pg_class.oid = pg_inherits.inhrelid
        WHERE
            pg_inherits.inhparent = 'cdr'::regclass
            AND pg_class.relname = 'cdr_y' || to_char(wanted.month, 'YYYY"m"MM')
    )
ORDER BY wanted.month
