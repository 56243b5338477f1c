-- Purpose:     note where each inserted record stands, and by which digests it is known; of a batch that changes none.
-- Parameters:  account_id, batch_id.
-- Grain:       account_id, origin, record_id.
-- Locks:       the rows written; the caller holds the account's advisory lock.   Idempotent: yes.
INSERT INTO cdr_keys (account_id, origin, record_id, business_date, list_digest, row_digest, has_detail)
SELECT
    staged.account_id,
    staged.origin,
    staged.record_id,
    staged.business_date,
    staged.list_digest::uuid,
    staged.row_digest::uuid,
    staged.has_detail
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
    AND present.record_id IS NULL
