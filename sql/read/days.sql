-- Purpose:     days with their state and newest exact file; a sealed day with changes that its file does not show is
--              late_pending, and late_rows says how many of its present records came since.
-- Parameters:  account_ids (array), first_date, last_date.   Grain: account_id, business_date.   Locks: none.
SELECT
    days.account_id,
    days.business_date,
    CASE
        WHEN days.state <> 'open' AND days.exported_changes < days.changes THEN 'late_pending'
        ELSE days.state
    END AS state,
    days.version,
    days.complete_through,
    days.sealed_at,
    days.changed_at,
    days.volume,
    export_files.row_count AS rows,
    export_files.sha256,
    export_files.path,
    CASE
        WHEN days.state <> 'open' AND days.exported_changes < days.changes
            THEN (
                SELECT count(*)
                FROM cdr
                WHERE
                    cdr.account_id = days.account_id
                    AND cdr.business_date = days.business_date
                    AND cdr.changed_at > days.exported_at
            )
        ELSE 0
    END AS late_rows
FROM days
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
