-- Purpose:     business dates of which a window must be read again because of how it was asked for.
-- Parameters:  account_id, error_code.   Grain: business_date.   Locks: none.
SELECT DISTINCT business_date
FROM windows
WHERE account_id = %(account_id)s AND state = 'failed' AND error_code = %(error_code)s
ORDER BY business_date DESC
