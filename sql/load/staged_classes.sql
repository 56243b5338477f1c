-- Purpose:     what a merge of the staged records would do with each.
-- Parameters:  account_id, batch_id.   Grain: source_line.   Locks: none.
SELECT
    staged.source_line,
    CASE
        WHEN cdr.record_id IS NULL THEN 'inserted'
        WHEN staged.list_digest <> cdr.list_digest THEN 'updated'
        ELSE 'unchanged'
    END AS row_class
FROM cdr_stage AS staged
LEFT JOIN cdr
    ON
        cdr.account_id = staged.account_id
        AND cdr.origin = staged.origin
        AND cdr.record_id = staged.record_id
WHERE staged.account_id = %(account_id)s AND staged.batch_id = %(batch_id)s
ORDER BY staged.source_line
