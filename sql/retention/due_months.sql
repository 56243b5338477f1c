-- Purpose:     months of an account that end before a date and have not been removed.
-- Parameters:  account_id, before (date).   Grain: month (its first day).   Locks: none.
SELECT known.month
FROM (
    SELECT DISTINCT
        account_id,
        date_trunc('month', business_date)::date AS month
    FROM days
    WHERE account_id = %(account_id)s AND business_date < %(before)s
) AS known
LEFT JOIN removed_months AS removed
    ON removed.account_id = known.account_id AND removed.month = known.month
WHERE removed.month IS NULL
ORDER BY known.month
