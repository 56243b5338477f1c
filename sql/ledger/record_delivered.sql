-- Purpose:     a file has arrived at a target.
-- Parameters:  as named.   Grain: account_id, target, path.   Locks: the row; the caller has it.   Idempotent: no.
UPDATE deliveries SET
    state = 'delivered',
    attempts = attempts + 1,
    attempted_at = %(now)s,
    delivered_at = %(now)s,
    receipt = %(receipt)s,
    error_code = NULL,
    error_message = NULL
WHERE account_id = %(account_id)s AND target = %(target)s AND path = %(path)s
