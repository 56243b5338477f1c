-- Purpose:     which of some days are sealed or restated.
-- Parameters:  account_id, business_dates (array).   Grain: business_date.   Locks: none.
SELECT business_date
FROM days
WHERE account_id = %(account_id)s AND business_date = any(%(business_dates)s::date []) AND state <> 'open'
ORDER BY business_date
