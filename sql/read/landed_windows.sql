-- Purpose:     windows of a business date whose pages are on disk; those not merged yet, or all of them to replay.
-- Parameters:  account_id, business_date, replay.   Grain: account_id, starts_at, ends_at.   Locks: none.
SELECT
    starts_at,
    ends_at,
    dialect,
    landing_path,
    landed_at
FROM windows
WHERE
    account_id = %(account_id)s
    AND business_date = %(business_date)s
    AND (state = 'landed' OR (%(replay)s AND landing_path IS NOT NULL))
ORDER BY starts_at, ends_at
