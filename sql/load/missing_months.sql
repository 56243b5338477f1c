-- Purpose:     which months' partitions a batch needs that are not there yet.
-- Parameters:  months (array of first days).   Grain: month.   Locks: none.
SELECT month
FROM unnest(%(months)s::date []) AS wanted (month)
WHERE to_regclass('cdr_y' || to_char(month, 'YYYY"m"MM')) IS NULL
ORDER BY month
