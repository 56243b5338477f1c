-- Purpose:     link pairs that reconciliation has matched, where both records exist and neither is linked.
-- Parameters:  account_id, run_id, now; arrays of equal length imported_ids, api_ids.
-- Grain:       account_id, imported_record_id; returns both records' days.   Locks: the rows written.   Idempotent: yes.
INSERT INTO cdr_links (
    account_id, imported_record_id, imported_business_date, api_record_id, api_business_date, basis, run_id, linked_at
)
SELECT
    imported.account_id,
    imported.record_id,
    imported.business_date,
    api.record_id,
    api.business_date,
    'reconciled',
    %(run_id)s,
    %(now)s
FROM unnest(%(imported_ids)s::text [], %(api_ids)s::text []) AS wanted (imported_record_id, api_record_id)
INNER JOIN cdr_keys AS imported
    ON
        imported.account_id = %(account_id)s
        AND imported.origin = 'imported'
        AND imported.record_id = wanted.imported_record_id
INNER JOIN cdr_keys AS api
    ON
        api.account_id = imported.account_id
        AND api.origin = 'api'
        AND api.record_id = wanted.api_record_id
ON CONFLICT DO NOTHING
RETURNING imported_business_date, api_business_date
