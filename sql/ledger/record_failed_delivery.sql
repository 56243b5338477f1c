-- Purpose:     an attempt to deliver a file has failed: it is due still, or refused until a person acts. Nothing changes
--              when another process has attempted it since it was read, or it has arrived.
-- Parameters:  as named; attempts: as read.   Grain: account_id, target, path.   Locks: the row.   Idempotent: no.
UPDATE deliveries SET
    state = %(state)s,
    attempts = attempts + 1,
    attempted_at = %(now)s,
    error_code = %(error_code)s,
    error_message = %(error_message)s
WHERE
    account_id = %(account_id)s
    AND target = %(target)s
    AND path = %(path)s
    AND attempts = %(attempts)s
    AND state <> 'delivered'
