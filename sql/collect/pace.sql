-- Name:        reserve_requests
-- Purpose:     reserve the time that some requests to a host, or to an account of it, take at the allowed rate, after
--              what others have reserved; the seconds until it begins. Unused time of the last seconds can still be
--              used.
-- Parameters:  place, seconds (length of the reservation), burst_seconds.   Grain: place.   Locks: the row.
-- Idempotent:  no.
-- The commit does not wait for the disk: requests of all accounts would wait for it one after the other. After a crash
-- of the server, a lost reservation costs nothing.
INSERT INTO request_pace AS pace (place, reserved_to)
VALUES (%(place)s, clock_timestamp() + make_interval(secs => %(seconds)s - %(burst_seconds)s))
ON CONFLICT (place) DO UPDATE SET
    reserved_to = greatest(pace.reserved_to, clock_timestamp() - make_interval(secs => %(burst_seconds)s))
    + make_interval(secs => %(seconds)s)
RETURNING
    extract(EPOCH FROM reserved_to - make_interval(secs => %(seconds)s) - clock_timestamp())::float8 AS begins_in,
    set_config('synchronous_commit', 'off', true) AS commit_waits
