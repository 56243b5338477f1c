-- Purpose:     rejected rows of a source, in the order of its lines.
-- Parameters:  account_id, source, state.   Grain: account_id, reject_id.   Locks: none.
SELECT
    line,
    field,
    reason,
    raw
FROM rejects
WHERE account_id = %(account_id)s AND source = %(source)s AND state = %(state)s
ORDER BY line, reject_id
