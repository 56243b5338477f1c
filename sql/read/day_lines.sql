-- Purpose:     one account's legs of one business date in the order and the notation of the daily file.
-- Parameters:  account_id, business_date; cells of the file.   Grain: leg.   Locks: none.
COPY (
    SELECT {cells}
    FROM cdr_merged
    WHERE account_id = %(account_id)s AND business_date = %(business_date)s
    ORDER BY cdr_merged.started_at, cdr_merged.origin COLLATE "C", cdr_merged.record_id COLLATE "C"
) TO STDOUT (FORMAT csv)
