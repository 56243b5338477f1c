-- Purpose:     windows of a business date that stand in the way of calling it collected.
-- Parameters:  account_id, business_date.   Grain: account_id, starts_at, ends_at.   Locks: none.
SELECT
    starts_at,
    ends_at,
    state,
    error_code,
    error_message
FROM windows
WHERE account_id = %(account_id)s AND business_date = %(business_date)s AND state <> 'loaded'
ORDER BY starts_at
