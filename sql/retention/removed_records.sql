-- Purpose:     which of some records were removed with a leg of another month, and on which day they were.
-- Parameters:  account_id, origin, record_ids (array).   Grain: record_id, business_date.   Locks: none.
SELECT
    record_id,
    business_date
FROM removed_records
WHERE account_id = %(account_id)s AND origin = %(origin)s AND record_id = any(%(record_ids)s::text [])
