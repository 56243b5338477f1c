-- Purpose:     how many lines of an upload were rejected, by reason, those that were corrected since included.
-- Parameters:  account_id, source (sha256).   Grain: reason.   Locks: none.
SELECT
    reason,
    count(*) AS row_count
FROM rejects
WHERE account_id = %(account_id)s AND source = %(source)s
GROUP BY reason
ORDER BY reason
