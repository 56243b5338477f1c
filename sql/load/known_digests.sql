-- Purpose:     the digests by which records that are about to be staged are known already.
-- Parameters:  account_id, origin, record_ids (array).   Grain: record_id.   Locks: none.
SELECT
    record_id,
    list_digest::text,
    row_digest::text
FROM cdr_keys
WHERE account_id = %(account_id)s AND origin = %(origin)s AND record_id = any(%(record_ids)s::text [])
