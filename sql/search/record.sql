-- Purpose:     one leg with all of its columns, by its id or by that of the imported record linked to it.
-- Parameters:  account_id, record_id.   Grain: one row; the switch's record where both origins have the id.   Locks: none.
SELECT *
FROM cdr_merged
WHERE account_id = %(account_id)s AND (record_id = %(record_id)s OR linked_record_id = %(record_id)s)
ORDER BY (record_id = %(record_id)s) DESC, origin
LIMIT 1
