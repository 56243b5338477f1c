-- Purpose:     withdraw links that reconciliation has set, of just these pairs.
-- Parameters:  account_id; arrays of equal length imported_ids, api_ids.
-- Grain:       account_id, imported_record_id; returns both records' days.   Locks: the rows deleted.   Idempotent: yes.
DELETE FROM cdr_links
WHERE
    account_id = %(account_id)s
    AND basis = 'reconciled'
    AND imported_record_id = any(%(imported_ids)s::text [])
    AND (imported_record_id, api_record_id) IN (
        SELECT
            ended.imported_record_id,
            ended.api_record_id
        FROM unnest(%(imported_ids)s::text [], %(api_ids)s::text []) AS ended (imported_record_id, api_record_id)
    )
RETURNING imported_business_date, api_business_date
