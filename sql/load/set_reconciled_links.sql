-- Purpose:     link pairs that reconciliation has matched, where both records exist and neither is linked. Each record
--              is looked up by its key: a join is planned by statistics that a new account does not have yet, and then
--              compares every pair with every record.
-- Parameters:  account_id, run_id, now; arrays of equal length imported_ids, api_ids.
-- Grain:       account_id, imported_record_id; returns both records' days.   Locks: the rows written.   Idempotent: yes.
INSERT INTO cdr_links (
    account_id, imported_record_id, imported_business_date, api_record_id, api_business_date, basis, run_id, linked_at
)
SELECT
    found.account_id,
    found.imported_record_id,
    found.imported_business_date,
    found.api_record_id,
    found.api_business_date,
    'reconciled',
    %(run_id)s,
    %(now)s
FROM (
    SELECT
        %(account_id)s::text AS account_id,
        wanted.imported_record_id,
        wanted.api_record_id,
        (
            SELECT cdr_keys.business_date
            FROM cdr_keys
            WHERE
                cdr_keys.account_id = %(account_id)s
                AND cdr_keys.origin = 'imported'
                AND cdr_keys.record_id = wanted.imported_record_id
        ) AS imported_business_date,
        (
            SELECT cdr_keys.business_date
            FROM cdr_keys
            WHERE
                cdr_keys.account_id = %(account_id)s
                AND cdr_keys.origin = 'api'
                AND cdr_keys.record_id = wanted.api_record_id
        ) AS api_business_date
    FROM unnest(%(imported_ids)s::text [], %(api_ids)s::text []) AS wanted (imported_record_id, api_record_id)
    OFFSET 0
) AS found
WHERE found.imported_business_date IS NOT NULL AND found.api_business_date IS NOT NULL
ON CONFLICT DO NOTHING
RETURNING imported_business_date, api_business_date
