-- Purpose:     calls and minutes of some days by source and hour, to judge whether a day is complete.
-- Parameters:  account_id; business_dates (array).   Grain: business_date, source, hour in UTC.   Locks: none.
SELECT
    business_date,
    CASE WHEN origin = 'api' THEN 'switch' ELSE coalesce(nullif(carrier, ''), 'without carrier') END AS source,
    extract(HOUR FROM started_at)::integer AS hour,
    count(*) AS row_count,
    coalesce(sum(billing_seconds), 0) / 60 AS minutes
FROM cdr
WHERE account_id = %(account_id)s AND business_date = any(%(business_dates)s)
GROUP BY
    business_date,
    CASE WHEN origin = 'api' THEN 'switch' ELSE coalesce(nullif(carrier, ''), 'without carrier') END,
    extract(HOUR FROM started_at)
ORDER BY business_date, source, hour
