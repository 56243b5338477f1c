-- Purpose:     one account's legs of one business date in the order of the daily file.
-- Parameters:  account_id, business_date; columns of the file.   Grain: leg.   Locks: none.
COPY (
    SELECT {columns}
    FROM cdr_merged
    WHERE account_id = %(account_id)s AND business_date = %(business_date)s
    ORDER BY started_at, origin COLLATE "C", record_id COLLATE "C"
) TO STDOUT (FORMAT csv)
