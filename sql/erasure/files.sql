-- Purpose:     files outside the warehouse in which an erasure's records stand or may stand: daily files of their days
--              and where those were delivered, what the switch and the carriers had delivered, archived months.
-- Parameters:  account_id, erasure_id.   Grain: kind, path, place.   Locks: none.
WITH days_shown AS (
    SELECT DISTINCT business_date
    FROM erased_records
    WHERE account_id = %(account_id)s AND erasure_id = %(erasure_id)s
),

loads AS (
    SELECT cdr.batch_id
    FROM cdr
    WHERE
        cdr.account_id = %(account_id)s
        AND (cdr.origin, cdr.record_id) IN (
            SELECT
                erased.origin,
                erased.record_id
            FROM erased_records AS erased
            WHERE erased.account_id = %(account_id)s AND erased.erasure_id = %(erasure_id)s
        )
    UNION
    SELECT past.batch_id
    FROM cdr_history AS past
    WHERE
        past.account_id = %(account_id)s
        AND (past.origin, past.record_id) IN (
            SELECT
                erased.origin,
                erased.record_id
            FROM erased_records AS erased
            WHERE erased.account_id = %(account_id)s AND erased.erasure_id = %(erasure_id)s
        )
    UNION
    SELECT unnest(%(reject_batches)s::uuid [])
)

SELECT
    'daily file' AS kind,
    files.path,
    days.state AS place
FROM export_files AS files
INNER JOIN days ON days.account_id = files.account_id AND days.business_date = files.business_date
WHERE
    files.account_id = %(account_id)s
    AND files.business_date IN (SELECT days_shown.business_date FROM days_shown)
UNION ALL
SELECT
    'delivered',
    deliveries.path,
    deliveries.target
FROM deliveries
WHERE
    deliveries.account_id = %(account_id)s
    AND deliveries.state = 'delivered'
    AND deliveries.business_date IN (SELECT days_shown.business_date FROM days_shown)
UNION ALL
SELECT
    'landing',
    windows.landing_path,
    'window'
FROM windows
WHERE
    windows.account_id = %(account_id)s
    AND windows.landing_path IS NOT NULL
    AND windows.business_date IN (SELECT days_shown.business_date FROM days_shown)
UNION ALL
SELECT
    'landing',
    uploads.landing_path,
    'upload'
FROM uploads
INNER JOIN batches ON batches.account_id = uploads.account_id AND batches.source = uploads.sha256
WHERE
    uploads.account_id = %(account_id)s
    AND batches.batch_id IN (SELECT loads.batch_id FROM loads)
UNION ALL
SELECT
    'archive',
    removed.archived_path,
    'not searched'
FROM removed_months AS removed
WHERE removed.account_id = %(account_id)s AND removed.archived_path IS NOT NULL
ORDER BY kind, path, place
