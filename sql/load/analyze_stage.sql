-- Purpose:     tell the planner what has been staged: it takes the fresh rows for one and joins them row by row.
-- Parameters:  none.   Locks: SHARE UPDATE EXCLUSIVE on the stage until the end of the transaction.
-- Idempotent:  yes.
ANALYZE cdr_stage (account_id, batch_id, origin, record_id, source_line)
