-- Purpose:     uploaded files that a person must decide about, or that could not be read.
-- Parameters:  account_ids (array).   Grain: account_id, sha256.   Locks: none.
SELECT
    account_id,
    sha256,
    state,
    received_at AS since,
    error_code
FROM uploads
WHERE account_id = any(%(account_ids)s) AND state IN ('held', 'refused')
ORDER BY received_at, account_id, sha256
