-- Purpose:     uploads that have come in and are not merged yet.
-- Parameters:  account_ids (array).   Grain: account_id, sha256.   Locks: none.
SELECT
    account_id,
    sha256,
    content_sha256,
    profile,
    time_zone,
    file_name,
    landing_path,
    corrects,
    decided_at IS NOT NULL AS released
FROM uploads
WHERE account_id = any(%(account_ids)s) AND state = 'landed'
ORDER BY received_at, account_id, sha256
