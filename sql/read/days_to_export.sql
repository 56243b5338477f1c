-- Purpose:     open days whose file does not show the latest change of their records.
-- Parameters:  account_ids (array).   Grain: account_id, business_date.   Locks: none.
SELECT
    account_id,
    business_date
FROM days
WHERE
    account_id = any(%(account_ids)s)
    AND state = 'open'
    AND exported_changes < changes
ORDER BY account_id, business_date
