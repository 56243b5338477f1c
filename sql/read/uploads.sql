-- Purpose:     uploads with their counts, newest first.
-- Parameters:  account_ids (array), sha256_prefix, states (array).   Grain: account_id, sha256.   Locks: none.
SELECT
    uploads.account_id,
    uploads.sha256,
    uploads.profile,
    uploads.time_zone,
    uploads.file_name,
    uploads.landing_path,
    uploads.state,
    uploads.received_at,
    uploads.corrects,
    uploads.overlap_rows,
    uploads.other_calls,
    uploads.decided_by,
    uploads.error_code,
    uploads.error_message,
    batches.rows_read,
    batches.rows_inserted,
    batches.rows_updated,
    batches.rows_rejected
FROM uploads
LEFT JOIN batches
    ON batches.account_id = uploads.account_id AND batches.batch_id = uploads.batch_id
WHERE
    uploads.account_id = any(%(account_ids)s)
    AND left(uploads.sha256, length(%(sha256_prefix)s)) = %(sha256_prefix)s
    AND uploads.state = any(%(states)s)
ORDER BY uploads.received_at DESC, uploads.account_id, uploads.sha256
