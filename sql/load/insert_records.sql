-- Purpose:     insert the staged records that the warehouse does not know.
-- Parameters:  table: cdr, or the table of a month that is not its partition yet; account_id, batch_id, now; dates
--              (array): business dates of the records that go there; known_list_keys, known_detail_keys: keys that
--              are columns already and need no copy in extra; columns and values generated from the field dictionary.
-- Grain:       account_id, origin, record_id.
-- Locks:       the rows written; the caller holds the account's advisory lock.   Idempotent: yes.
INSERT INTO {table} ({columns})
SELECT {values}
FROM (
    SELECT
        cdr_stage.*,
        coalesce(jsonb_strip_nulls(extra_source::jsonb - %(known_list_keys)s::text []), '{{}}'::jsonb)
        || coalesce(jsonb_strip_nulls(detail_source::jsonb - %(known_detail_keys)s::text []), '{{}}'::jsonb)
            AS extra
    FROM cdr_stage
    WHERE
        account_id = %(account_id)s
        AND batch_id = %(batch_id)s
        AND NOT believed_equal
        AND business_date = any(%(dates)s::date [])
) AS staged
WHERE NOT EXISTS (
    SELECT 1
    FROM cdr_keys AS present
    WHERE
        present.account_id = staged.account_id
        AND present.origin = staged.origin
        AND present.record_id = staged.record_id
)
