-- Purpose:     what is in the warehouse, per account and day.
-- Parameters:  account_ids (array), first_date, last_date.   Grain: account_id, business_date.   Locks: none.
SELECT
    days.account_id,
    days.business_date,
    days.state,
    days.complete_through,
    days.changed_at,
    days.exported_at,
    days.volume,
    days.usual_rows,
    coalesce(records.api_rows, 0) AS api_rows,
    coalesce(records.imported_rows, 0) AS imported_rows,
    coalesce(records.api_minutes, 0) AS api_minutes,
    coalesce(open_windows.failed, 0) AS failed_windows,
    export_files.path,
    export_files.row_count
FROM days
LEFT JOIN (
    SELECT
        account_id,
        business_date,
        count(*) FILTER (WHERE origin = 'api') AS api_rows,
        count(*) FILTER (WHERE origin = 'imported') AS imported_rows,
        sum(billing_seconds) FILTER (WHERE origin = 'api') / 60 AS api_minutes
    FROM cdr
    WHERE
        account_id = any(%(account_ids)s)
        AND business_date BETWEEN %(first_date)s AND %(last_date)s
    GROUP BY account_id, business_date
) AS records
    ON records.account_id = days.account_id AND records.business_date = days.business_date
LEFT JOIN (
    SELECT
        account_id,
        business_date,
        count(*) AS failed
    FROM windows
    WHERE account_id = any(%(account_ids)s) AND state = 'failed'
    GROUP BY account_id, business_date
) AS open_windows
    ON open_windows.account_id = days.account_id AND open_windows.business_date = days.business_date
LEFT JOIN export_files
    ON
        export_files.account_id = days.account_id
        AND export_files.business_date = days.business_date
        AND export_files.version = days.version
        AND export_files.dialect = 'exact'
WHERE
    days.account_id = any(%(account_ids)s)
    AND days.business_date BETWEEN %(first_date)s AND %(last_date)s
ORDER BY days.account_id, days.business_date
