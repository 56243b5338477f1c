-- Purpose:     open days whose file has not shown their latest change for some time.
-- Parameters:  account_ids (array), before (instant).   Grain: business_date.   Locks: none.
SELECT
    business_date,
    count(*) AS accounts,
    min(changed_at) AS since
FROM days
WHERE
    account_id = any(%(account_ids)s)
    AND state = 'open'
    AND exported_changes < changes
    AND changed_at < %(before)s
GROUP BY business_date
ORDER BY business_date
