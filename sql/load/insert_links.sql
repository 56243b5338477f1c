-- Purpose:     link the pairs that were found, unless they are linked already.
-- Parameters:  account_id, batch_id, run_id, now.   Grain: account_id, imported_record_id; returns both records' days.
-- Locks:       the rows written.   Idempotent: yes.
INSERT INTO cdr_links AS link (
    account_id, imported_record_id, imported_business_date, api_record_id, api_business_date, basis, batch_id, run_id,
    linked_at
)
SELECT
    account_id,
    record_id,
    business_date,
    partner_id,
    partner_date,
    'call_id',
    batch_id,
    %(run_id)s,
    %(now)s
FROM cdr_link_stage
WHERE
    account_id = %(account_id)s
    AND batch_id = %(batch_id)s
    AND origin = 'imported'
    AND partner_id IS NOT NULL
ON CONFLICT (account_id, imported_record_id) DO UPDATE SET
    imported_business_date = excluded.imported_business_date,
    api_business_date = excluded.api_business_date,
    basis = excluded.basis,
    batch_id = excluded.batch_id,
    run_id = excluded.run_id,
    linked_at = excluded.linked_at
WHERE
    link.basis <> excluded.basis
    OR link.imported_business_date <> excluded.imported_business_date
    OR link.api_business_date <> excluded.api_business_date
RETURNING link.imported_business_date, link.api_business_date
