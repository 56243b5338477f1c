-- Purpose:     the windows of a business date that are in the warehouse.
-- Parameters:  account_id, business_date.   Grain: account_id, starts_at, ends_at.   Locks: none.
SELECT
    starts_at,
    ends_at
FROM windows
WHERE account_id = %(account_id)s AND business_date = %(business_date)s AND state = 'loaded'
