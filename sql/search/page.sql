-- Purpose:     one page of legs in the form of Kazoo's list, and the key that the next page begins with.
-- Parameters:  utc_offset, row_limit and what the conditions bind; columns, conditions and order are generated.
-- Grain:       account_id, record_id, origin of the merged view.   Locks: none.
SELECT
    record.{clock} AS moment,
    record.record_id,
    record.origin,
    (
        SELECT row_to_json(listed)::text
        FROM (SELECT {columns}) AS listed
    ) AS listed
FROM cdr_merged AS record
WHERE {conditions}
ORDER BY {order}
LIMIT %(row_limit)s
