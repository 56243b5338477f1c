-- Purpose:     how many staged rows of a batch are not the only one of their record.
-- Parameters:  account_id, batch_id.   Grain: one row.   Locks: none.
SELECT count(*) - count(DISTINCT record_id) AS duplicates
FROM cdr_stage
WHERE account_id = %(account_id)s AND batch_id = %(batch_id)s
