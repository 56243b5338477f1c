-- Purpose:     which of some records are there because their leg belongs to another month than they do.
-- Parameters:  account_id, origin, record_ids (array).   Grain: record_id.   Locks: none.
SELECT record_id
FROM cdr_places
WHERE
    account_id = %(account_id)s
    AND origin = %(origin)s
    AND record_id = any(%(record_ids)s::text [])
    AND date_trunc('month', leg_date) <> date_trunc('month', business_date)
