-- Purpose:     a window could not be collected; what an earlier attempt landed stays known.
-- Parameters:  as named.   Grain: account_id, starts_at, ends_at, business_date.   Locks: the row.   Idempotent: yes.
INSERT INTO windows (
    account_id, starts_at, ends_at, business_date, state, error_code, error_message, attempted_at
) VALUES (
    %(account_id)s, %(starts_at)s, %(ends_at)s, %(business_date)s, 'failed', %(error_code)s, %(error_message)s, %(now)s
)
ON CONFLICT (account_id, starts_at, ends_at, business_date) DO UPDATE SET
    state = excluded.state,
    error_code = excluded.error_code,
    error_message = excluded.error_message,
    attempted_at = excluded.attempted_at
