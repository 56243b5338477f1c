-- Purpose:     an upload and, when it is loaded, the counts of its batch.
-- Parameters:  account_id, sha256.   Grain: account_id, sha256.   Locks: none.
SELECT
    uploads.state,
    uploads.profile,
    uploads.file_name,
    uploads.landing_path,
    uploads.error_code,
    uploads.error_message,
    uploads.overlap_rows,
    uploads.other_calls,
    batches.rows_read,
    batches.rows_inserted,
    batches.rows_updated,
    batches.rows_unchanged,
    batches.rows_duplicate,
    batches.rows_rejected,
    batches.rows_filtered
FROM uploads
LEFT JOIN batches
    ON batches.account_id = uploads.account_id AND batches.batch_id = uploads.batch_id
WHERE uploads.account_id = %(account_id)s AND uploads.sha256 = %(sha256)s
