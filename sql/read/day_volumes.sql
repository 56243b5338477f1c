-- Purpose:     how many of the switch's records an account has on some days; only days that were collected whole.
-- Parameters:  account_id, business_dates (array).   Grain: business_date.   Locks: none.
SELECT
    days.business_date,
    (
        SELECT count(*)
        FROM cdr
        WHERE
            cdr.account_id = days.account_id
            AND cdr.business_date = days.business_date
            AND cdr.origin = 'api'
    ) AS row_count
FROM days
WHERE
    days.account_id = %(account_id)s
    AND days.business_date = any(%(business_dates)s::date [])
    AND days.complete_through IS NOT NULL
ORDER BY days.business_date
