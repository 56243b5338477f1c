-- Purpose:     which of these records have their detail document in the warehouse already.
-- Parameters:  account_id, record_ids (array).   Grain: record_id.   Locks: none.
SELECT record_id
FROM cdr_keys
WHERE account_id = %(account_id)s AND origin = 'api' AND has_detail AND record_id = any(%(record_ids)s)
