-- Purpose:     give changed records their staged values; a record whose day has changed moves to that day's partition.
--              A load without detail documents never erases what an earlier one's documents brought.
-- Parameters:  account_id, batch_id, now; present_dates (array): days that hold records to change; known_list_keys,
--              known_detail_keys: keys that are columns already and need no copy in extra; assignments generated from
--              the field dictionary.
-- Grain:       account_id, origin, record_id.
-- Locks:       the rows changed; the caller holds the account's advisory lock.   Idempotent: yes.
UPDATE cdr AS present SET
        {assignments}
FROM (
    SELECT
        cdr_stage.*,
        known.business_date AS present_date,
        coalesce(jsonb_strip_nulls(extra_source::jsonb - %(known_list_keys)s::text []), '{{}}'::jsonb)
        || coalesce(jsonb_strip_nulls(detail_source::jsonb - %(known_detail_keys)s::text []), '{{}}'::jsonb)
            AS extra
    FROM cdr_stage
    INNER JOIN cdr_keys AS known
        ON
            known.account_id = cdr_stage.account_id
            AND known.origin = cdr_stage.origin
            AND known.record_id = cdr_stage.record_id
    WHERE
        cdr_stage.account_id = %(account_id)s
        AND cdr_stage.batch_id = %(batch_id)s
        AND NOT cdr_stage.believed_equal
        AND (
            cdr_stage.list_digest::uuid <> known.list_digest
            OR (cdr_stage.has_detail AND cdr_stage.row_digest::uuid <> known.row_digest)
        )
) AS staged
WHERE
    present.account_id = staged.account_id
    AND present.origin = staged.origin
    AND present.record_id = staged.record_id
    AND present.business_date = staged.present_date
    AND present.business_date = any(%(present_dates)s::date [])
