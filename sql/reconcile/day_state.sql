-- Purpose:     how often the records around a day have changed, and up to when the switch was asked for it.
-- Parameters:  account_id, business_date; near_dates (array).   Grain: one row.   Locks: none.
SELECT
    coalesce(sum(changes), 0)::bigint AS changes,
    max(complete_through) FILTER (WHERE business_date = %(business_date)s) AS complete_through
FROM days
WHERE account_id = %(account_id)s AND business_date = any(%(near_dates)s)
