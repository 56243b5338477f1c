-- Purpose:     what a merge of the staged records would do with each.
-- Parameters:  account_id, batch_id.   Grain: source_line.   Locks: none.
SELECT
    staged.source_line,
    CASE
        WHEN present.record_id IS NULL THEN 'inserted'
        WHEN staged.list_digest::uuid <> present.list_digest THEN 'updated'
        ELSE 'unchanged'
    END AS row_class
FROM cdr_stage AS staged
LEFT JOIN cdr_keys AS present
    ON
        present.account_id = staged.account_id
        AND present.origin = staged.origin
        AND present.record_id = staged.record_id
WHERE staged.account_id = %(account_id)s AND staged.batch_id = %(batch_id)s
ORDER BY staged.source_line
