-- Purpose:     withdraw links of an earlier reconciliation that disagree with those about to be set.
-- Parameters:  account_id; arrays of equal length imported_ids, api_ids.
-- Grain:       account_id, imported_record_id; returns both records' days.   Locks: the rows deleted.   Idempotent: yes.
DELETE FROM cdr_links
USING unnest(%(imported_ids)s::text [], %(api_ids)s::text []) AS wanted (imported_record_id, api_record_id)
WHERE
    cdr_links.account_id = %(account_id)s
    AND cdr_links.basis = 'reconciled'
    AND (
        (
            cdr_links.imported_record_id = wanted.imported_record_id
            AND cdr_links.api_record_id <> wanted.api_record_id
        )
        OR (
            cdr_links.api_record_id = wanted.api_record_id
            AND cdr_links.imported_record_id <> wanted.imported_record_id
        )
    )
RETURNING cdr_links.imported_business_date, cdr_links.api_business_date
