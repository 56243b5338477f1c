-- Purpose:     why a day changed: the batches that brought its present records or replaced earlier ones, with the window
--              or the file that each was a load of.
-- Parameters:  account_id, business_date.   Grain: batch_id.   Locks: none.
SELECT
    batches.batch_id,
    batches.kind,
    batches.source,
    uploads.file_name,
    uploads.profile,
    batches.loaded_at,
    batches.run_id,
    touched.records,
    touched.replaced
FROM (
    SELECT
        account_id,
        batch_id,
        sum(records)::bigint AS records,
        sum(replaced)::bigint AS replaced
    FROM (
        SELECT
            account_id,
            batch_id,
            1 AS records,
            0 AS replaced
        FROM cdr
        WHERE account_id = %(account_id)s AND business_date = %(business_date)s
        UNION ALL
        SELECT
            account_id,
            replaced_by,
            0,
            1
        FROM cdr_history
        WHERE account_id = %(account_id)s AND business_date = %(business_date)s
    ) AS each_record
    GROUP BY account_id, batch_id
) AS touched
INNER JOIN batches
    ON batches.account_id = touched.account_id AND batches.batch_id = touched.batch_id
LEFT JOIN uploads
    ON uploads.account_id = batches.account_id AND uploads.sha256 = batches.source
ORDER BY batches.loaded_at, batches.batch_id
