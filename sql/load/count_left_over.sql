-- Purpose:     how many records of earlier readings of an upload its present reading has not staged.
-- Parameters:  account_id, batch_id, origin, source (sha256 of the upload).   Grain: one row.   Locks: none.
SELECT count(*) AS left_over
FROM cdr
INNER JOIN batches
    ON batches.account_id = cdr.account_id AND batches.batch_id = cdr.batch_id
LEFT JOIN cdr_stage AS staged
    ON
        staged.account_id = cdr.account_id
        AND staged.batch_id = %(batch_id)s
        AND staged.origin = cdr.origin
        AND staged.record_id = cdr.record_id
WHERE
    cdr.account_id = %(account_id)s
    AND cdr.origin = %(origin)s
    AND batches.kind = 'upload'
    AND batches.source = %(source)s
    AND staged.record_id IS NULL
