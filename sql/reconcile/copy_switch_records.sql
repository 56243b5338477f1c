-- Purpose:     the switch's records of some time, to be compared with a carrier's.
-- Parameters:  account_id, first_date, last_date, starts_at, ends_at; columns that the comparison reads.
-- Grain:       account_id, record_id.   Locks: none.
COPY (
    SELECT {columns}
    FROM cdr
    WHERE
        account_id = %(account_id)s
        AND origin = 'api'
        AND business_date BETWEEN %(first_date)s AND %(last_date)s
        AND started_at >= %(starts_at)s
        AND started_at < %(ends_at)s
) TO STDOUT (FORMAT csv)
