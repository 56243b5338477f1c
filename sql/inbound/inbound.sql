-- Name:        record_look
-- Purpose:     record that a place was looked at, and since when it fails.
-- Parameters:  place, now, error_code, error_message (NULL if it was reached).   Grain: place.   Locks: the row.
-- Idempotent:  yes.
INSERT INTO inbound_places AS places (
    place, first_looked_at, looked_at, reached_at, failed_since, error_code, error_message
)
VALUES (
    %(place)s,
    %(now)s,
    %(now)s,
    CASE WHEN %(error_code)s::text IS NULL THEN %(now)s::timestamptz END,
    CASE WHEN %(error_code)s::text IS NOT NULL THEN %(now)s::timestamptz END,
    %(error_code)s,
    %(error_message)s
)
ON CONFLICT (place) DO UPDATE SET
looked_at = excluded.looked_at,
reached_at = coalesce(excluded.reached_at, places.reached_at),
failed_since = CASE
    WHEN excluded.error_code IS NOT NULL THEN coalesce(places.failed_since, excluded.failed_since)
END,
error_code = excluded.error_code,
error_message = excluded.error_message

-- Name:        places
-- Purpose:     places that were looked at.
-- Parameters:  none.   Grain: place.   Locks: none.
SELECT
    place,
    first_looked_at,
    looked_at,
    reached_at,
    failed_since,
    error_code,
    error_message
FROM inbound_places
ORDER BY place

-- Name:        record_seen
-- Purpose:     record versions of files that a look has shown; a version that is known keeps its state.
-- Parameters:  place, paths, stamps, sizes, modified (arrays of one length), now.   Grain: place, path, stamp.
-- Locks:       the rows.   Idempotent: yes.
INSERT INTO inbound_files AS files (place, path, stamp, bytes, modified_at, state, first_seen_at, seen_at)
SELECT
    %(place)s,
    shown.path,
    shown.stamp,
    shown.size,
    shown.modified_at,
    'seen',
    %(now)s,
    %(now)s
FROM
    unnest(%(paths)s::text [], %(stamps)s::text [], %(sizes)s::bigint [], %(modified)s::timestamptz [])
        AS shown (path, stamp, size, modified_at)
ON CONFLICT (place, path, stamp) DO UPDATE SET seen_at = excluded.seen_at

-- Name:        place_files
-- Purpose:     versions of files of a place that a look shows: all that were seen since an instant.
-- Parameters:  place, paths (array).   Grain: place, path, stamp.   Locks: none.
SELECT
    place,
    path,
    stamp,
    bytes AS size,
    modified_at,
    state,
    first_seen_at,
    seen_at,
    attempts,
    fetched_at,
    account_ids,
    upload_ids,
    profile,
    file_date,
    sha256,
    cleared,
    cleared_at,
    error_code,
    error_message
FROM inbound_files
WHERE place = %(place)s AND path = any(%(paths)s)
ORDER BY path, first_seen_at

-- Name:        inbound_files
-- Purpose:     versions of files of any place in some states, newest first.
-- Parameters:  states (array), since, most.   Grain: place, path, stamp.   Locks: none.
SELECT
    place,
    path,
    stamp,
    bytes AS size,
    modified_at,
    state,
    first_seen_at,
    seen_at,
    attempts,
    fetched_at,
    account_ids,
    upload_ids,
    profile,
    file_date,
    sha256,
    cleared,
    cleared_at,
    error_code,
    error_message
FROM inbound_files
WHERE state = any(%(states)s) AND seen_at >= %(since)s
ORDER BY coalesce(fetched_at, seen_at) DESC, place, path, stamp
LIMIT %(most)s

-- Name:        fetched_dates
-- Purpose:     uploads of fetched files by the date in their names.
-- Parameters:  profile, since, until.   Grain: place, path, stamp.   Locks: none.
SELECT
    file_date,
    account_ids,
    upload_ids
FROM inbound_files
WHERE state = 'fetched' AND profile = %(profile)s AND file_date BETWEEN %(since)s AND %(until)s

-- Name:        record_fetched
-- Purpose:     record that a version of a file was fetched and registered.
-- Parameters:  as named; account_ids, upload_ids: arrays.   Grain: place, path, stamp.   Locks: the row.
-- Idempotent:  yes.
UPDATE inbound_files SET
    state = 'fetched',
    attempts = attempts + 1,
    fetched_at = %(now)s,
    account_ids = %(account_ids)s,
    upload_ids = %(upload_ids)s,
    profile = %(profile)s,
    file_date = %(file_date)s,
    sha256 = %(sha256)s,
    error_code = NULL,
    error_message = NULL
WHERE place = %(place)s AND path = %(path)s AND stamp = %(stamp)s

-- Name:        record_not_fetched
-- Purpose:     record why a version of a file was not fetched; a fetched one stays fetched.
-- Parameters:  as named; state: seen or refused.   Grain: place, path, stamp.   Locks: the row.   Idempotent: no.
UPDATE inbound_files SET
    state = %(state)s,
    attempts = attempts + 1,
    error_code = %(error_code)s,
    error_message = %(error_message)s
WHERE place = %(place)s AND path = %(path)s AND stamp = %(stamp)s AND state <> 'fetched'

-- Name:        record_cleared
-- Purpose:     record that a fetched file was moved or deleted at its place.
-- Parameters:  as named; cleared: moved or deleted.   Grain: place, path, stamp.   Locks: the row.   Idempotent: yes.
UPDATE inbound_files SET
    cleared = %(cleared)s,
    cleared_at = %(now)s
WHERE place = %(place)s AND path = %(path)s AND stamp = %(stamp)s
