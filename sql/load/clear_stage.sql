-- Purpose:     empty the stage of a batch that has been merged.
-- Parameters:  account_id, batch_id.
-- Locks:       the stage's rows of this batch.   Idempotent: yes.
DELETE FROM cdr_stage
WHERE account_id = %(account_id)s AND batch_id = %(batch_id)s
