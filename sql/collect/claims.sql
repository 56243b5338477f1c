-- Name:        collections
-- Purpose:     state of the collection of accounts' days: number of claims, whether released, failed windows.
-- Parameters:  account_ids (array), business_date.   Grain: account_id.   Locks: none.
-- The windows are read first: a cluster does not join tables of the coordinator with distributed ones.
WITH failed_windows AS MATERIALIZED (
    SELECT DISTINCT windows.account_id
    FROM windows
    WHERE
        windows.account_id = any(%(account_ids)s)
        AND windows.business_date = %(business_date)s
        AND windows.state = 'failed'
)

SELECT
    collections.account_id,
    collections.fence,
    collections.leased_until = '-infinity' AS released_claim,
    failed_windows.account_id IS NOT NULL AS failed
FROM collections
LEFT JOIN failed_windows ON failed_windows.account_id = collections.account_id
WHERE collections.account_id = any(%(account_ids)s) AND collections.business_date = %(business_date)s

-- Name:        current_session
-- Purpose:     process id and start of this session, as other sessions see them.
-- Parameters:  none.   Grain: one row.   Locks: none.
SELECT
    pid AS holder_pid,
    backend_start AS holder_started
FROM pg_stat_activity
WHERE pid = pg_backend_pid()

-- Name:        release_collection
-- Purpose:     release a claim, whether the collection succeeded or not. The commit does not wait for the disk: a crash
--              of the server ends the session, and the claim with it.
-- Parameters:  account_id, business_date, fence.   Grain: account_id, business_date.   Locks: the row.   Idempotent: yes.
UPDATE collections SET leased_until = '-infinity'
WHERE account_id = %(account_id)s AND business_date = %(business_date)s AND fence = %(fence)s
RETURNING set_config('synchronous_commit', 'off', true)

-- Name:        renew_collection
-- Purpose:     renew the lease of a claim; changes no row if another process has claimed the day.
-- Parameters:  account_id, business_date, fence, lease_seconds.   Grain: account_id, business_date.   Locks: the row.
-- Idempotent:  yes.
UPDATE collections SET leased_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
WHERE account_id = %(account_id)s AND business_date = %(business_date)s AND fence = %(fence)s

-- Name:        session_alive
-- Purpose:     whether the session that holds a lease is still connected; a killed process loses its claim at once.
-- Parameters:  holder_pid, holder_started.   Grain: one row.   Locks: none.
SELECT EXISTS (
    SELECT 1
    FROM pg_stat_activity
    WHERE pid = %(holder_pid)s AND backend_start = %(holder_started)s
) AS alive

-- Name:        claim_collection
-- Purpose:     assign the collection of an account's day to a process, unless another live process holds it; the new
--              fence invalidates all earlier claims. A killed process loses its claim at once, one that hangs when its
--              lease has expired by the warehouse's clock.
-- Parameters:  account_id, business_date, holder_pid, holder_started, lease_seconds; after: fence of the last claim that
--              the caller knows of, 0 if none, to claim only if there was no other since, or null.
-- Grain:       account_id, business_date; none if it is not claimed.   Locks: the row.   Idempotent: no.
-- The commit does not wait for the disk: a crash of the server ends the session, and the claim with it.
INSERT INTO collections AS held (account_id, business_date, fence, holder_pid, holder_started, leased_until)
VALUES (
    %(account_id)s,
    %(business_date)s,
    1,
    %(holder_pid)s,
    %(holder_started)s,
    clock_timestamp() + make_interval(secs => %(lease_seconds)s)
)
ON CONFLICT (account_id, business_date) DO UPDATE SET
    fence = held.fence + 1,
    holder_pid = excluded.holder_pid,
    holder_started = excluded.holder_started,
    leased_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
WHERE
    held.fence = coalesce(%(after)s::bigint, held.fence)
    AND NOT (
        held.leased_until > clock_timestamp()
        AND EXISTS (
            SELECT 1
            FROM pg_stat_activity AS session
            WHERE session.pid = held.holder_pid AND session.backend_start = held.holder_started
        )
    )
RETURNING fence, set_config('synchronous_commit', 'off', true) AS commit_waits
