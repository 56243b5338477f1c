-- Purpose:     days of both records of every leg of which a batch has changed one: a leg is shown on the day of its API
--              record, whichever of the two changed. Before links end: the partners of before are the ones to tell.
-- Parameters:  account_id, batch_id, moved_from (array of days).   Grain: a pair of days.   Locks: none.
SELECT DISTINCT
    link.imported_business_date,
    link.api_business_date
FROM cdr_history AS past
INNER JOIN cdr_links AS link
    ON
        link.account_id = past.account_id
        AND (
            (past.origin = 'imported' AND link.imported_record_id = past.record_id)
            OR (past.origin = 'api' AND link.api_record_id = past.record_id)
        )
WHERE
    past.account_id = %(account_id)s
    AND past.replaced_by = %(batch_id)s
    AND past.business_date = any(%(moved_from)s::date [])
    AND link.imported_business_date <> link.api_business_date
