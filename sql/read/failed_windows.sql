-- Purpose:     account-days with a window that could not be collected, with the first of its reasons.
-- Parameters:  account_ids (array).   Grain: account_id, business_date.   Locks: none.
SELECT
    account_id,
    business_date,
    min(attempted_at) AS since,
    count(*) AS windows,
    min(error_code) AS error_code
FROM windows
WHERE account_id = any(%(account_ids)s) AND state = 'failed'
GROUP BY account_id, business_date
ORDER BY business_date, account_id
