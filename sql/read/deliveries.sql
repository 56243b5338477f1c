-- Purpose:     deliveries with their state, those that wait longest first.
-- Parameters:  account_ids (array), states (array).   Grain: account_id, target, path.   Locks: none.
SELECT
    account_id,
    target,
    path,
    business_date,
    version,
    sha256,
    state,
    attempts,
    due_at,
    attempted_at,
    delivered_at,
    receipt,
    error_code
FROM deliveries
WHERE account_id = any(%(account_ids)s) AND state = any(%(states)s)
ORDER BY state DESC, due_at, account_id, target, path
