-- Purpose:     withdraw links of an earlier reconciliation that disagree with those about to be set. Links are looked up
--              by either record's key, pair by pair; see set_reconciled_links.
-- Parameters:  account_id; arrays of equal length imported_ids, api_ids.
-- Grain:       account_id, imported_record_id; returns both records' days.   Locks: the rows deleted.   Idempotent: yes.
DELETE FROM cdr_links
WHERE
    account_id = %(account_id)s
    AND basis = 'reconciled'
    AND imported_record_id = any(
        ARRAY(
            SELECT wanted.imported_record_id
            FROM unnest(%(imported_ids)s::text [], %(api_ids)s::text []) AS wanted (imported_record_id, api_record_id)
            WHERE
                (
                    SELECT link.api_record_id
                    FROM cdr_links AS link
                    WHERE
                        link.account_id = %(account_id)s
                        AND link.imported_record_id = wanted.imported_record_id
                ) <> wanted.api_record_id
            UNION
            SELECT disagreeing.imported_record_id
            FROM (
                SELECT
                    wanted.imported_record_id AS wanted_record_id,
                    (
                        SELECT link.imported_record_id
                        FROM cdr_links AS link
                        WHERE link.account_id = %(account_id)s AND link.api_record_id = wanted.api_record_id
                    ) AS imported_record_id
                FROM
                    unnest(%(imported_ids)s::text [], %(api_ids)s::text [])
                    AS wanted (imported_record_id, api_record_id)
                OFFSET 0
            ) AS disagreeing
            WHERE disagreeing.imported_record_id <> disagreeing.wanted_record_id
        )
    )
RETURNING imported_business_date, api_business_date
