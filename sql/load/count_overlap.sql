-- Purpose:     how many staged records of a file the warehouse has already: the same in everything, and different.
-- Parameters:  account_id, batch_id.   Grain: one row.   Locks: none.
SELECT
    count(*) FILTER (WHERE present.list_digest = staged.list_digest::uuid) AS equal,
    count(*) FILTER (WHERE present.list_digest <> staged.list_digest::uuid) AS different
FROM cdr_stage AS staged
INNER JOIN cdr_keys AS present
    ON
        present.account_id = staged.account_id
        AND present.origin = staged.origin
        AND present.record_id = staged.record_id
WHERE staged.account_id = %(account_id)s AND staged.batch_id = %(batch_id)s
