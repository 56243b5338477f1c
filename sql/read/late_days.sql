-- Purpose:     days of any state whose files have not shown their latest change for some time.
-- Parameters:  account_ids (array), before (instant).   Grain: account_id, business_date.   Locks: none.
SELECT
    account_id,
    business_date,
    changes
FROM days
WHERE
    account_id = any(%(account_ids)s)
    AND exported_changes < changes
    AND changed_at < %(before)s
ORDER BY account_id, business_date
