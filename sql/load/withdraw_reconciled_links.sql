-- Purpose:     withdraw links that reconciliation has set.
-- Parameters:  account_id; imported_ids (array).
-- Grain:       account_id, imported_record_id; returns both records' days.   Locks: the rows deleted.   Idempotent: yes.
DELETE FROM cdr_links
WHERE account_id = %(account_id)s AND basis = 'reconciled' AND imported_record_id = any(%(imported_ids)s::text [])
RETURNING imported_business_date, api_business_date
