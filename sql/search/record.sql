-- Purpose:     one leg with all of its columns, by its id or by that of the imported record linked to it.
-- Parameters:  account_id, record_id.   Grain: one row; the switch's record where both origins have the id.   Locks: none.
-- The leg's key is found by index first: a condition on the merged columns alone would read the whole account.
SELECT *
FROM cdr_merged
WHERE
    account_id = %(account_id)s
    AND (leg_origin, record_id, business_date) IN (
        SELECT
            found.origin,
            found.record_id,
            found.business_date
        FROM cdr AS found
        WHERE
            found.account_id = %(account_id)s
            AND found.origin IN ('api', 'imported')
            AND found.record_id = %(record_id)s
        UNION ALL
        SELECT
            'api' AS origin,
            link.api_record_id,
            link.api_business_date
        FROM cdr_links AS link
        WHERE link.account_id = %(account_id)s AND link.imported_record_id = %(record_id)s
    )
ORDER BY (record_id = %(record_id)s) DESC, origin
LIMIT 1
