-- Purpose:     all legs of a search in the form of Kazoo's list, one JSON object a line.
-- Parameters:  utc_offset and what the conditions bind; columns, conditions and order are generated.
-- Grain:       account_id, record_id, origin of the merged view.   Locks: none.
COPY (
    SELECT
        (
            SELECT row_to_json(listed)::text
            FROM (SELECT {columns}) AS listed
        ) AS listed
    FROM cdr_merged AS record
    WHERE {conditions}
    ORDER BY {order}
) TO STDOUT
