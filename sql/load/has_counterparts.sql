-- Purpose:     whether the account has records of the other origin around the days that a batch has changed.
-- Parameters:  account_id, counterpart (the other origin), near_dates (array).   Grain: one row.   Locks: none.
SELECT EXISTS (
    SELECT 1
    FROM cdr
    WHERE account_id = %(account_id)s AND origin = %(counterpart)s AND business_date = any(%(near_dates)s::date [])
) AS found
