-- Purpose:     links note the days of both records; those of records that a batch has moved follow them.
-- Parameters:  account_id, batch_id, moved_from (array of days).   Grain: account_id, imported_record_id; returns days.
-- Locks:       the rows changed.   Idempotent: yes.
UPDATE cdr_links AS link SET
    imported_business_date = coalesce(moved.imported_date, link.imported_business_date),
    api_business_date = coalesce(moved.api_date, link.api_business_date)
FROM (
    SELECT
        l.account_id,
        l.imported_record_id,
        max(keys.business_date) FILTER (WHERE keys.origin = 'imported') AS imported_date,
        max(keys.business_date) FILTER (WHERE keys.origin = 'api') AS api_date
    FROM cdr_history AS past
    INNER JOIN cdr_keys AS keys
        ON
            keys.account_id = past.account_id
            AND keys.origin = past.origin
            AND keys.record_id = past.record_id
            AND keys.business_date <> past.business_date
    INNER JOIN cdr_links AS l
        ON
            l.account_id = past.account_id
            AND (
                (past.origin = 'imported' AND l.imported_record_id = past.record_id)
                OR (past.origin = 'api' AND l.api_record_id = past.record_id)
            )
    WHERE
        past.account_id = %(account_id)s
        AND past.replaced_by = %(batch_id)s
        AND past.business_date = any(%(moved_from)s::date [])
    GROUP BY l.account_id, l.imported_record_id
) AS moved
WHERE
    link.account_id = %(account_id)s
    AND moved.account_id = link.account_id
    AND moved.imported_record_id = link.imported_record_id
RETURNING link.imported_business_date, link.api_business_date
