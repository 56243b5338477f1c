-- Purpose:     months that were removed for some account and still have a partition.
-- Parameters:  none.   Grain: month.   Locks: none.
SELECT DISTINCT removed.month
FROM removed_months AS removed
WHERE
    EXISTS (
        SELECT 1
        FROM pg_inherits
        INNER JOIN pg_class ON pg_class.oid = pg_inherits.inhrelid
        WHERE
            pg_inherits.inhparent = 'cdr'::regclass
            AND pg_class.relname = 'cdr_y' || to_char(removed.month, 'YYYY"m"MM')
    )
ORDER BY removed.month
