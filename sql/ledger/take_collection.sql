-- Purpose:     give an account's day to a holder; the new fence shuts out everyone who held it before.
-- Parameters:  account_id, business_date, fence, holder_pid, holder_started, lease_seconds.
-- Grain:       account_id, business_date.   Locks: the row; the caller holds it.   Idempotent: yes.
UPDATE collections SET
    fence = %(fence)s,
    holder_pid = %(holder_pid)s,
    holder_started = %(holder_started)s,
    leased_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
WHERE account_id = %(account_id)s AND business_date = %(business_date)s
