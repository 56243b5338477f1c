-- Purpose:     days whose file has not shown their latest change for some time, open ones and final ones.
-- Parameters:  account_ids (array), before (instant).   Grain: business_date, still_open.   Locks: none.
SELECT
    business_date,
    state = 'open' AS still_open,
    count(*) AS accounts,
    min(changed_at) AS since
FROM days
WHERE
    account_id = any(%(account_ids)s)
    AND exported_changes < changes
    AND changed_at < %(before)s
GROUP BY business_date, state = 'open'
ORDER BY business_date, still_open
