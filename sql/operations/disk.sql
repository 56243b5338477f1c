-- Name:        daily_file_sizes
-- Purpose:     average rows and bytes of the daily files of a business date.
-- Parameters:  first_date.   Grain: one row.   Locks: none.
SELECT
    coalesce(avg(days.file_rows), 0)::double precision AS rows,
    coalesce(avg(days.file_bytes), 0)::double precision AS bytes
FROM (
    SELECT
        business_date,
        coalesce(sum(row_count) FILTER (WHERE dialect = 'exact'), 0) AS file_rows,
        sum(bytes) AS file_bytes
    FROM export_files
    WHERE business_date >= %(first_date)s
    GROUP BY business_date
) AS days

-- Name:        newest_windows
-- Purpose:     files of the windows that were landed last.   Parameters: most.   Grain: window.   Locks: none.
SELECT
    landing_path,
    rows_landed
FROM windows
WHERE landing_path IS NOT NULL AND rows_landed > 0 AND landed_at IS NOT NULL
ORDER BY landed_at DESC
LIMIT %(most)s

-- Name:        stored_rows
-- Purpose:     number of records that loads have inserted.   Parameters: none.   Grain: one row.   Locks: none.
SELECT coalesce(sum(rows_inserted), 0)::bigint AS stored
FROM batches

-- Name:        warehouse_bytes
-- Purpose:     bytes of this database on this server.   Parameters: none.   Grain: one row.   Locks: none.
SELECT pg_database_size(current_database()) AS bytes
