-- Name:        collections
-- Purpose:     who has had accounts' days: how often they were taken, and whether somebody has them or gave them back.
-- Parameters:  account_ids (array), business_date.   Grain: account_id.   Locks: none.
SELECT
    account_id,
    fence,
    leased_until = '-infinity' AS released_claim,
    EXISTS (
        SELECT 1
        FROM windows
        WHERE
            windows.account_id = collections.account_id
            AND windows.business_date = collections.business_date
            AND windows.state = 'failed'
    ) AS failed
FROM collections
WHERE account_id = any(%(account_ids)s) AND business_date = %(business_date)s

-- Name:        lock_collection
-- Purpose:     who holds an account's day, and whether the lease still runs by the warehouse's own clock.
-- Parameters:  account_id, business_date.   Grain: one row.   Locks: the row, until the end of the transaction.
SELECT
    fence,
    holder_pid,
    holder_started,
    leased_until > clock_timestamp() AS leased
FROM collections
WHERE account_id = %(account_id)s AND business_date = %(business_date)s
FOR UPDATE

-- Name:        ensure_collection
-- Purpose:     make sure that there is a row to lock for an account's day; nobody holds a new one.
-- Parameters:  account_id, business_date.   Grain: account_id, business_date.   Locks: the row.   Idempotent: yes.
INSERT INTO collections (account_id, business_date, fence, leased_until)
VALUES (%(account_id)s, %(business_date)s, 0, '-infinity')
ON CONFLICT (account_id, business_date) DO NOTHING

-- Name:        current_session
-- Purpose:     this session, as others see it.
-- Parameters:  none.   Grain: one row.   Locks: none.
SELECT
    pid AS holder_pid,
    backend_start AS holder_started
FROM pg_stat_activity
WHERE pid = pg_backend_pid()

-- Name:        release_collection
-- Purpose:     the holder has finished, well or not.
-- Parameters:  account_id, business_date, fence.   Grain: account_id, business_date.   Locks: the row.   Idempotent: yes.
UPDATE collections SET leased_until = '-infinity'
WHERE account_id = %(account_id)s AND business_date = %(business_date)s AND fence = %(fence)s

-- Name:        renew_collection
-- Purpose:     the holder is at work still; no row is changed when another one has taken over.
-- Parameters:  account_id, business_date, fence, lease_seconds.   Grain: account_id, business_date.   Locks: the row.
-- Idempotent:  yes.
UPDATE collections SET leased_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
WHERE account_id = %(account_id)s AND business_date = %(business_date)s AND fence = %(fence)s

-- Name:        session_alive
-- Purpose:     whether the session that took a lease is still connected: a killed process is not waited for.
-- Parameters:  holder_pid, holder_started.   Grain: one row.   Locks: none.
SELECT EXISTS (
    SELECT 1
    FROM pg_stat_activity
    WHERE pid = %(holder_pid)s AND backend_start = %(holder_started)s
) AS alive

-- Name:        claim_collection
-- Purpose:     give an account's day to a holder; the new fence shuts out everyone who held it before.
-- Parameters:  account_id, business_date, fence, holder_pid, holder_started, lease_seconds.
-- Grain:       account_id, business_date.   Locks: the row; the caller holds it.   Idempotent: yes.
UPDATE collections SET
    fence = %(fence)s,
    holder_pid = %(holder_pid)s,
    holder_started = %(holder_started)s,
    leased_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
WHERE account_id = %(account_id)s AND business_date = %(business_date)s
