-- Purpose:     the holder is at work still; no row is changed when another one has taken over.
-- Parameters:  account_id, business_date, fence, lease_seconds.   Grain: account_id, business_date.   Locks: the row.
-- Idempotent:  yes.
UPDATE collections SET leased_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
WHERE account_id = %(account_id)s AND business_date = %(business_date)s AND fence = %(fence)s
