-- Purpose:     keep the present version of every record that the merge is about to change.
-- Parameters:  account_id, batch_id, now; columns all columns of cdr.
-- Grain:       account_id, origin, record_id, replaced_by.
-- Locks:       none beyond the rows written.   Idempotent: yes, per batch.
INSERT INTO cdr_history ({columns}, replaced_by, replaced_at)
SELECT
    {present},
    %(batch_id)s,
    %(now)s
FROM cdr AS present
INNER JOIN cdr_stage AS staged
    ON
        staged.account_id = present.account_id
        AND staged.origin = present.origin
        AND staged.record_id = present.record_id
WHERE
    staged.account_id = %(account_id)s
    AND staged.batch_id = %(batch_id)s
    AND (
        staged.list_digest <> present.list_digest
        OR (staged.has_detail AND staged.row_digest <> present.row_digest)
    )
