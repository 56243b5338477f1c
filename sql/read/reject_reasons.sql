-- Purpose:     how many rejected rows are open, by reason.   Parameters: account_ids (array).
-- Grain:       account_id, origin, reason, field.   Locks: none.
SELECT
    account_id,
    origin,
    reason,
    field,
    count(*) AS row_count
FROM rejects
WHERE account_id = any(%(account_ids)s) AND state = 'open'
GROUP BY account_id, origin, reason, field
ORDER BY account_id, origin, reason, field
