-- Purpose:     how many staged records carry the id of another call and are new to the warehouse.
-- Parameters:  account_id, batch_id.   Grain: one row.   Locks: none.
-- A record that has an id of its own is staged with its text's fingerprint, and is known by it only when that id is
-- another call's. In a file without ids every record is, and none of them counts here.
SELECT count(*) AS other_calls
FROM cdr_stage AS staged
LEFT JOIN cdr_keys AS present
    ON
        present.account_id = staged.account_id
        AND present.origin = staged.origin
        AND present.record_id = staged.record_id
WHERE
    staged.account_id = %(account_id)s
    AND staged.batch_id = %(batch_id)s
    AND staged.fingerprint IS NOT NULL
    AND split_part(staged.record_id, ':', 2) = 'fp'
    AND present.record_id IS NULL
