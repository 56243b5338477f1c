-- Purpose:     whether the session that took a lease is still connected: a killed process is not waited for.
-- Parameters:  holder_pid, holder_started.   Grain: one row.   Locks: none.
SELECT EXISTS (
    SELECT 1
    FROM pg_stat_activity
    WHERE pid = %(holder_pid)s AND backend_start = %(holder_started)s
) AS alive
