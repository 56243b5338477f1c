-- Purpose:     note where each inserted or changed record stands now, and by which digests it is known.
-- Parameters:  account_id, batch_id.
-- Grain:       account_id, origin, record_id.
-- Locks:       the rows written.   Idempotent: yes.
INSERT INTO cdr_keys AS present (
    account_id, origin, record_id, business_date, list_digest, row_digest, has_detail
)
SELECT
    account_id,
    origin,
    record_id,
    business_date,
    list_digest::uuid,
    row_digest::uuid,
    has_detail
FROM cdr_stage
WHERE account_id = %(account_id)s AND batch_id = %(batch_id)s AND NOT believed_equal
ON CONFLICT (account_id, origin, record_id) DO UPDATE SET
    business_date = excluded.business_date,
    list_digest = excluded.list_digest,
    row_digest = excluded.row_digest,
    has_detail = present.has_detail OR excluded.has_detail
WHERE
    excluded.list_digest <> present.list_digest
    OR (excluded.has_detail AND excluded.row_digest <> present.row_digest)
