-- Purpose:     days of both records of every leg of which a batch has changed one: a leg is shown on the day of its API
--              record, whichever of the two changed. Before links end: the partners of before are the ones to tell.
--              Only legs over midnight matter, and they have an index of their own.
-- Parameters:  account_id, batch_id, origin, moved_from (array of days).   Grain: a pair of days.   Locks: none.
SELECT DISTINCT
    link.imported_business_date,
    link.api_business_date
FROM cdr_links AS link
WHERE
    link.account_id = %(account_id)s
    AND link.imported_business_date <> link.api_business_date
    AND EXISTS (
        SELECT 1
        FROM cdr_history AS past
        WHERE
            past.account_id = link.account_id
            AND past.origin = %(origin)s
            AND past.record_id
            = CASE WHEN %(origin)s = 'imported' THEN link.imported_record_id ELSE link.api_record_id END
            AND past.replaced_by = %(batch_id)s
            AND past.business_date = any(%(moved_from)s::date [])
    )
