-- Name:        ensure_pace
-- Purpose:     create the row of a host or of an account if it is missing; nothing is reserved yet.
-- Parameters:  place.   Grain: place.   Locks: the row.   Idempotent: yes.
-- The commit does not wait for the disk: after a crash of the server, a lost reservation costs nothing.
INSERT INTO request_pace (place, reserved_to)
VALUES (%(place)s, '-infinity')
ON CONFLICT (place) DO NOTHING
RETURNING set_config('synchronous_commit', 'off', true)

-- Name:        reserve_requests
-- Purpose:     reserve the time that some requests take at the allowed rate, after what others have reserved; the
--              seconds until it begins. Unused time of the last seconds can still be used.
-- Parameters:  place, seconds (length of the reservation), burst_seconds.   Grain: place.   Locks: the row.
-- Idempotent:  no.
-- The commit does not wait for the disk: requests of all accounts would wait for it one after the other.
UPDATE request_pace SET
    reserved_to = greatest(reserved_to, clock_timestamp() - make_interval(secs => %(burst_seconds)s))
    + make_interval(secs => %(seconds)s)
WHERE place = %(place)s
RETURNING
    extract(EPOCH FROM reserved_to - make_interval(secs => %(seconds)s) - clock_timestamp())::float8 AS begins_in,
    set_config('synchronous_commit', 'off', true) AS commit_waits
