-- Purpose:     how many records the legs of a month consist of.
-- Parameters:  account_id, first_day, end_day.   Grain: one row.   Locks: none.
SELECT count(*) AS records
FROM cdr_places
WHERE
    account_id = %(account_id)s
    AND leg_date >= %(first_day)s
    AND leg_date < %(end_day)s
