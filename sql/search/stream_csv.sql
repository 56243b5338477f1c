-- Purpose:     all legs of a search in the form of Kazoo's list, as CSV with a header and every cell quoted.
-- Parameters:  utc_offset and what the conditions bind; columns, conditions and order are generated.
-- Grain:       account_id, record_id, origin of the merged view.   Locks: none.
COPY (
    SELECT {columns}
    FROM cdr_merged AS record
    WHERE {conditions}
    ORDER BY {order}
) TO STDOUT (FORMAT csv, HEADER, FORCE_QUOTE *)
