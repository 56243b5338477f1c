-- Purpose:     this session, as others see it.
-- Parameters:  none.   Grain: one row.   Locks: none.
SELECT
    pid AS holder_pid,
    backend_start AS holder_started
FROM pg_stat_activity
WHERE pid = pg_backend_pid()
