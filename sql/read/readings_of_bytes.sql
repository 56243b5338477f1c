-- Purpose:     uploads of the same bytes, each read with a profile of its own.
-- Parameters:  account_id, content_sha256.   Grain: account_id, sha256.   Locks: none.
SELECT
    sha256,
    profile,
    state
FROM uploads
WHERE account_id = %(account_id)s AND content_sha256 = %(content_sha256)s
ORDER BY received_at, sha256
