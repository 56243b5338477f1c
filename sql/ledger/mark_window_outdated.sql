-- Purpose:     a window must be read again because of how it was asked for; until then its day is not whole.
-- Parameters:  as named.   Grain: account_id, starts_at, ends_at, business_date.   Locks: the row.   Idempotent: yes.
INSERT INTO windows (
    account_id, starts_at, ends_at, business_date, state, error_code, error_message, attempted_at
) VALUES (
    %(account_id)s, %(starts_at)s, %(ends_at)s, %(business_date)s, 'failed', %(error_code)s, %(error_message)s, %(now)s
)
ON CONFLICT (account_id, starts_at, ends_at, business_date) DO NOTHING
