-- Name:        ensure_pace
-- Purpose:     create the row of a host or of an account if it is missing; nothing is reserved yet.
-- Parameters:  place.   Grain: place.   Locks: the row.   Idempotent: yes.
INSERT INTO request_pace (place, reserved_to)
VALUES (%(place)s, '-infinity')
ON CONFLICT (place) DO NOTHING

-- Name:        reserve_requests
-- Purpose:     reserve the time that some requests take at the allowed rate, after what others have reserved; the
--              seconds until it begins. Unused time of the last seconds can still be used.
-- Parameters:  place, seconds (length of the reservation), burst_seconds.   Grain: place.   Locks: the row.
-- Idempotent:  no.
UPDATE request_pace SET
    reserved_to = greatest(reserved_to, clock_timestamp() - make_interval(secs => %(burst_seconds)s))
    + make_interval(secs => %(seconds)s)
WHERE place = %(place)s
RETURNING
    extract(EPOCH FROM reserved_to - make_interval(secs => %(seconds)s) - clock_timestamp())::float8 AS begins_in
