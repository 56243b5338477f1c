-- Purpose:     merge the staged records of one batch: insert the new, update the changed, leave equal rows alone.
--              A load without detail documents never erases what an earlier one's documents brought.
-- Parameters:  account_id, batch_id, now; known_list_keys, known_detail_keys: keys that are columns already and need
--              no copy in extra; columns values assignments generated from the field dictionary.
-- Grain:       account_id, origin, record_id.
-- Locks:       the rows changed; the caller holds the account's advisory lock.   Idempotent: yes.
MERGE INTO cdr AS present
USING (
    SELECT
        cdr_stage.*,
        coalesce(jsonb_strip_nulls(extra_source::jsonb - %(known_list_keys)s::text []), '{{}}'::jsonb)
        || coalesce(jsonb_strip_nulls(detail_source::jsonb - %(known_detail_keys)s::text []), '{{}}'::jsonb)
            AS extra
    FROM cdr_stage
    WHERE account_id = %(account_id)s AND batch_id = %(batch_id)s
) AS staged
    ON
        present.account_id = staged.account_id
        AND present.origin = staged.origin
        AND present.record_id = staged.record_id
WHEN MATCHED AND (
    staged.list_digest <> present.list_digest
    OR (staged.has_detail AND staged.row_digest <> present.row_digest)
) THEN
    UPDATE SET {assignments}
WHEN NOT MATCHED THEN
    INSERT ({columns}) VALUES ({values})
