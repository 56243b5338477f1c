-- Purpose:     every window of a business date, whatever became of it.
-- Parameters:  account_id, business_date.   Grain: account_id, starts_at, ends_at.   Locks: none.
SELECT
    starts_at,
    ends_at,
    state,
    error_code,
    content_sha256
FROM windows
WHERE account_id = %(account_id)s AND business_date = %(business_date)s
ORDER BY starts_at, ends_at
