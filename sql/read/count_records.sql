-- Purpose:     how many of the switch's records an account has on a day.
-- Parameters:  account_id, business_date.   Grain: one row.   Locks: none.
SELECT count(*) AS row_count
FROM cdr
WHERE account_id = %(account_id)s AND business_date = %(business_date)s AND origin = 'api'
