-- Purpose:     every name under which a file came that was not refused, discarded or a correction.
-- Parameters:  account_ids (array), profiles (array).   Grain: account_id, sha256, file_name.   Locks: none.
SELECT
    named.account_id,
    named.profile,
    named.file_name,
    named.file_date,
    named.file_sequence,
    named.received_at
FROM upload_names AS named
INNER JOIN uploads
    ON uploads.account_id = named.account_id AND uploads.sha256 = named.sha256
WHERE
    named.account_id = any(%(account_ids)s)
    AND named.profile = any(%(profiles)s)
    AND uploads.state IN ('landed', 'held', 'loaded')
    AND uploads.corrects IS NULL
ORDER BY named.received_at DESC, named.account_id, named.file_name
