-- Purpose:     whether a call that started at an instant or later is on a day before a date.
-- Parameters:  account_id, instant, first_date, before (date).   Grain: one row.   Locks: none.
SELECT EXISTS (
    SELECT 1
    FROM cdr
    WHERE
        account_id = %(account_id)s
        AND business_date >= %(first_date)s
        AND business_date < %(before)s
        AND started_at >= %(instant)s
) AS found
