-- Purpose:     take lines out of the stage that are rejected after all.
-- Parameters:  account_id, batch_id, lines (array).   Grain: source_line.   Locks: the stage's rows.   Idempotent: yes.
DELETE FROM cdr_stage
WHERE account_id = %(account_id)s AND batch_id = %(batch_id)s AND source_line = any(%(lines)s::bigint [])
