-- Purpose:     keep the present version of every record that the merge is about to change.
-- Parameters:  account_id, batch_id, now; present_dates (array): days that hold such records; columns all columns of
--              cdr.
-- Grain:       account_id, origin, record_id, replaced_by.
-- Locks:       none beyond the rows written.   Idempotent: yes, per batch.
INSERT INTO cdr_history ({columns}, replaced_by, replaced_at)
SELECT
    {present},
    %(batch_id)s,
    %(now)s
FROM cdr_stage AS staged
INNER JOIN cdr_keys AS known
    ON
        known.account_id = staged.account_id
        AND known.origin = staged.origin
        AND known.record_id = staged.record_id
INNER JOIN cdr AS present
    ON
        present.account_id = known.account_id
        AND present.origin = known.origin
        AND present.record_id = known.record_id
        AND present.business_date = known.business_date
WHERE
    staged.account_id = %(account_id)s
    AND staged.batch_id = %(batch_id)s
    AND NOT staged.believed_equal
    AND present.business_date = any(%(present_dates)s::date [])
    AND (
        staged.list_digest::uuid <> known.list_digest
        OR (staged.has_detail AND staged.row_digest::uuid <> known.row_digest)
    )
