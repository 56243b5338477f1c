-- Purpose:     what a merge of the staged records will change: from which day to which, new records from none.
-- Parameters:  account_id, batch_id.   Grain: business_date, present_date.   Locks: none.
SELECT
    staged.business_date,
    present.business_date AS present_date,
    count(*) AS row_count
FROM cdr_stage AS staged
LEFT JOIN cdr_keys AS present
    ON
        present.account_id = staged.account_id
        AND present.origin = staged.origin
        AND present.record_id = staged.record_id
WHERE
    staged.account_id = %(account_id)s
    AND staged.batch_id = %(batch_id)s
    AND NOT staged.believed_equal
    AND (
        present.record_id IS NULL
        OR staged.list_digest::uuid <> present.list_digest
        OR (staged.has_detail AND staged.row_digest::uuid <> present.row_digest)
    )
GROUP BY staged.business_date, present.business_date
