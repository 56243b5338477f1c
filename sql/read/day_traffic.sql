-- Purpose:     records of business dates by hour, origin and currency: what the plots and totals of a night show.
--              Totals are never added up over origins: the same call may stand in both.
-- Parameters:  account_ids (array), business_dates (array).
-- Grain:       hour of the start in UTC, origin, cost_currency.   Locks: none.
SELECT
    extract(HOUR FROM started_at AT TIME ZONE 'UTC')::integer AS hour,
    origin,
    cost_currency,
    count(*) AS row_count,
    coalesce(sum(billing_seconds), 0) AS billing_seconds,
    coalesce(sum(cost), 0) AS cost
FROM cdr
WHERE account_id = any(%(account_ids)s) AND business_date = any(%(business_dates)s)
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
