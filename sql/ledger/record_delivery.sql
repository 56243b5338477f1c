-- Purpose:     what became of sending a file: delivered with a receipt, or due still, or refused until a person acts.
-- Parameters:  as named.   Grain: account_id, target, path.   Locks: the row; the caller has it.   Idempotent: no.
UPDATE deliveries SET
    state = %(state)s,
    attempts = attempts + 1,
    attempted_at = %(now)s,
    delivered_at = CASE WHEN %(state)s = 'delivered' THEN %(now)s ELSE delivered_at END,
    receipt = coalesce(%(receipt)s, receipt),
    error_code = %(error_code)s,
    error_message = %(error_message)s
WHERE account_id = %(account_id)s AND target = %(target)s AND path = %(path)s
