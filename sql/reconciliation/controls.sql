-- Name:        file_trend
-- Purpose:     rows in the newest files of each day over all accounts, to show a trend.
-- Parameters:  account_ids (array), first_date, last_date.   Grain: business_date.   Locks: none.
SELECT
    newest.business_date,
    count(*) AS files,
    sum(newest.row_count)::bigint AS row_count
FROM (
    SELECT DISTINCT ON (account_id, business_date)
        account_id,
        business_date,
        row_count
    FROM export_files
    WHERE
        account_id = any(%(account_ids)s)
        AND business_date BETWEEN %(first_date)s AND %(last_date)s
        AND dialect = 'exact'
    ORDER BY account_id, business_date, version DESC
) AS newest
GROUP BY newest.business_date
ORDER BY newest.business_date

-- Name:        source_hours
-- Purpose:     calls and minutes of days by source and hour, to check whether a day is complete, and numbers of records
--              with implausible values.
-- Parameters:  account_ids, business_dates (arrays), now.   Grain: account_id, business_date, source, hour in UTC.
-- Locks:       none.
SELECT
    account_id,
    business_date,
    CASE WHEN origin = 'api' THEN 'switch' ELSE coalesce(nullif(carrier, ''), 'without carrier') END AS source,
    extract(HOUR FROM started_at)::integer AS hour,
    count(*) AS row_count,
    coalesce(sum(billing_seconds), 0) / 60 AS minutes,
    count(*) FILTER (WHERE started_at > %(now)s OR ended_at > %(now)s) AS in_future,
    count(*) FILTER (WHERE duration_seconds > 86400) AS longer_than_a_day,
    count(*) FILTER (WHERE billing_seconds > duration_seconds + 120) AS billed_beyond_length,
    count(*) FILTER (WHERE abs(cost) > 10000) AS dear
FROM cdr
WHERE account_id = any(%(account_ids)s) AND business_date = any(%(business_dates)s)
GROUP BY
    account_id,
    business_date,
    CASE WHEN origin = 'api' THEN 'switch' ELSE coalesce(nullif(carrier, ''), 'without carrier') END,
    extract(HOUR FROM started_at)
ORDER BY account_id, business_date, source, hour

-- Name:        unpriced_charges
-- Purpose:     charges of a day that nothing verifies, by carrier and beginning of the called number.
-- Parameters:  account_ids (array), business_date.   Grain: account_id, carrier, destination.   Locks: none.
SELECT
    account_id,
    carrier,
    destination,
    count(*) AS call_count,
    coalesce(sum(carrier_amount), 0) AS amount
FROM reconciled_calls
WHERE
    account_id = any(%(account_ids)s)
    AND business_date = %(business_date)s
    AND until_version IS NULL
    AND class = 'unpriced'
GROUP BY account_id, carrier, destination
ORDER BY account_id, carrier, count(*) DESC, destination
