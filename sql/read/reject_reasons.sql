-- Purpose:     how many rows were rejected, by reason.   Parameters: account_ids (array).
-- Grain:       account_id, origin, reason, field.   Locks: none.
SELECT
    account_id,
    origin,
    reason,
    field,
    count(*) AS row_count
FROM rejects
WHERE account_id = any(%(account_ids)s)
GROUP BY account_id, origin, reason, field
ORDER BY account_id, origin, reason, field
