-- Purpose:     business dates other than one that have windows on disk which are not merged yet.
-- Parameters:  account_id, business_date.   Grain: business_date.   Locks: none.
SELECT DISTINCT business_date
FROM windows
WHERE account_id = %(account_id)s AND business_date <> %(business_date)s AND state = 'landed'
ORDER BY business_date
