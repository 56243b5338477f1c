-- Purpose:     records of a day with values that cannot be true, by source.
-- Parameters:  account_id, business_date, now.   Grain: source.   Locks: none.
SELECT
    CASE WHEN origin = 'api' THEN 'switch' ELSE coalesce(nullif(carrier, ''), 'without carrier') END AS source,
    count(*) FILTER (WHERE started_at > %(now)s OR ended_at > %(now)s) AS in_future,
    count(*) FILTER (WHERE duration_seconds > 86400) AS longer_than_a_day,
    count(*) FILTER (WHERE billing_seconds > duration_seconds + 120) AS billed_beyond_length,
    count(*) FILTER (WHERE abs(cost) > 10000) AS dear
FROM cdr
WHERE account_id = %(account_id)s AND business_date = %(business_date)s
GROUP BY CASE WHEN origin = 'api' THEN 'switch' ELSE coalesce(nullif(carrier, ''), 'without carrier') END
ORDER BY source
