-- Name:        discard_upload
-- Purpose:     record that an upload and its corrections no longer count, with the reason.
-- Parameters:  account_id, sha256, decided_by (null if no person decided), message, now.   Grain: account_id, sha256.
-- Locks:       the rows.   Idempotent: yes.
UPDATE uploads SET
    state = 'discarded',
    decided_by = %(decided_by)s,
    decided_at = %(now)s,
    error_code = NULL,
    error_message = %(message)s
WHERE account_id = %(account_id)s AND (sha256 = %(sha256)s OR corrects = %(sha256)s)

-- Name:        landed_uploads
-- Purpose:     uploads that have landed and are not loaded yet.
-- Parameters:  account_ids (array).   Grain: account_id, sha256.   Locks: none.
SELECT
    account_id,
    sha256,
    content_sha256,
    profile,
    time_zone,
    file_name,
    landing_path,
    corrects,
    decided_at IS NOT NULL AS released
FROM uploads
WHERE account_id = any(%(account_ids)s) AND state = 'landed'
ORDER BY received_at, account_id, sha256

-- Name:        readings_of_bytes
-- Purpose:     uploads of the same bytes, one per profile that reads them.
-- Parameters:  account_id, content_sha256.   Grain: account_id, sha256.   Locks: none.
SELECT
    sha256,
    profile,
    state
FROM uploads
WHERE account_id = %(account_id)s AND content_sha256 = %(content_sha256)s
ORDER BY received_at, sha256

-- Name:        record_held_upload
-- Purpose:     hold a file that repeats stored records or has ids of other calls, until a person decides.
-- Parameters:  account_id, sha256, overlap_rows, other_calls, error_code, error_message.   Grain: account_id, sha256.
-- Locks:       the row.   Idempotent: yes.
UPDATE uploads SET
    state = 'held',
    overlap_rows = %(overlap_rows)s,
    other_calls = %(other_calls)s,
    error_code = %(error_code)s,
    error_message = %(error_message)s
WHERE account_id = %(account_id)s AND sha256 = %(sha256)s

-- Name:        record_landed_upload
-- Purpose:     record a landed file; a file that was refused can be imported again with another profile. sha256 is the
--              upload's id, see UploadTable.upload_id.
-- Parameters:  as named.   Grain: account_id, sha256.   Locks: the row.   Idempotent: yes.
INSERT INTO uploads (
    account_id, sha256, content_sha256, profile, time_zone, file_name, bytes, landing_path, state, received_at, corrects
) VALUES (
    %(account_id)s, %(sha256)s, %(content_sha256)s, %(profile)s, %(time_zone)s, %(file_name)s, %(bytes)s,
    %(landing_path)s, 'landed', %(now)s, %(corrects)s
)
ON CONFLICT (account_id, sha256) DO UPDATE SET
    profile = excluded.profile,
    time_zone = excluded.time_zone,
    file_name = excluded.file_name,
    state = excluded.state,
    error_code = NULL,
    error_message = NULL,
    received_at = excluded.received_at,
    corrects = excluded.corrects
WHERE uploads.state = 'refused' OR (uploads.state = 'landed' AND uploads.profile = excluded.profile)

-- Name:        record_loaded_upload
-- Purpose:     record that a landed upload is loaded.
-- Parameters:  as named.   Grain: account_id, sha256.   Locks: the row.   Idempotent: yes.
UPDATE uploads SET state = 'loaded', batch_id = %(batch_id)s, loaded_at = %(now)s
WHERE account_id = %(account_id)s AND sha256 = %(sha256)s

-- Name:        record_reading
-- Purpose:     record that an upload is to be read with a profile: as a new upload of the same bytes, or as an upload
--              that was refused, held or discarded before.
-- Parameters:  account_id, sha256 (of the upload), reading (id of the new upload), profile, time_zone, now.
-- Grain:       account_id, sha256.   Locks: the row.   Idempotent: yes.
INSERT INTO uploads (
    account_id, sha256, content_sha256, profile, time_zone, file_name, bytes, landing_path, state, received_at
)
SELECT
    first_one.account_id,
    %(reading)s,
    first_one.content_sha256,
    %(profile)s,
    %(time_zone)s,
    first_one.file_name,
    first_one.bytes,
    first_one.landing_path,
    'landed',
    %(now)s
FROM uploads AS first_one
WHERE first_one.account_id = %(account_id)s AND first_one.sha256 = %(sha256)s
ON CONFLICT (account_id, sha256) DO UPDATE SET
    profile = excluded.profile,
    time_zone = excluded.time_zone,
    state = excluded.state,
    error_code = NULL,
    error_message = NULL,
    overlap_rows = NULL,
    other_calls = NULL,
    decided_by = NULL,
    decided_at = NULL

-- Name:        record_refused_upload
-- Purpose:     record that a file could not be read with its profile; nothing of it was loaded.
-- Parameters:  as named.   Grain: account_id, sha256.   Locks: the row.   Idempotent: yes.
UPDATE uploads SET state = 'refused', error_code = %(error_code)s, error_message = %(error_message)s
WHERE account_id = %(account_id)s AND sha256 = %(sha256)s

-- Name:        record_upload_name
-- Purpose:     record a name under which a file was delivered, with the date and sequence number that it contains; also
--              for a file whose bytes are already stored.
-- Parameters:  as named.   Grain: account_id, sha256, file_name.   Locks: the row.   Idempotent: yes; the first stays.
INSERT INTO upload_names (
    account_id, sha256, file_name, profile, file_date, file_sequence, received_at
) VALUES (
    %(account_id)s, %(sha256)s, %(file_name)s, %(profile)s, %(file_date)s, %(file_sequence)s, %(now)s
)
ON CONFLICT (account_id, sha256, file_name) DO NOTHING

-- Name:        release_upload
-- Purpose:     release a held file, so that it can be loaded.
-- Parameters:  account_id, sha256, decided_by, now.   Grain: account_id, sha256.   Locks: the row.
-- Idempotent:  yes; only a held file is released.
UPDATE uploads SET
    state = 'landed',
    decided_by = %(decided_by)s,
    decided_at = %(now)s,
    error_code = NULL,
    error_message = NULL
WHERE account_id = %(account_id)s AND sha256 = %(sha256)s AND state = 'held'

-- Name:        completing_uploads
-- Purpose:     loaded uploads whose calls are complete only with rejected rows of these uploads.
-- Parameters:  account_id, uploads (array): ids.   Grain: account_id, sha256.   Locks: none.
SELECT
    other.account_id,
    other.sha256,
    other.content_sha256,
    other.profile,
    other.time_zone,
    other.file_name,
    other.landing_path,
    other.corrects,
    true AS released
FROM uploads AS other
WHERE
    other.account_id = %(account_id)s
    AND other.state = 'loaded'
    AND other.sha256 <> all(%(uploads)s::text [])
    AND EXISTS (
        SELECT 1
        FROM rejects
        WHERE
            rejects.account_id = %(account_id)s
            AND rejects.origin = 'imported'
            AND rejects.source = any(%(uploads)s::text [])
            AND rejects.reason = 'broken_call'
            AND rejects.state = 'corrected'
            AND rejects.corrected_by = other.sha256
    )
ORDER BY other.loaded_at, other.sha256

-- Name:        repeating_uploads
-- Purpose:     loaded uploads of the same profile whose files may have records of these uploads too: those that found
--              stored records, and those whose records these uploads have changed. Later ones decide.
-- Parameters:  account_id, uploads (array): ids.   Grain: account_id, sha256.   Locks: none.
SELECT
    other.account_id,
    other.sha256,
    other.content_sha256,
    other.profile,
    other.time_zone,
    other.file_name,
    other.landing_path,
    other.corrects,
    true AS released
FROM uploads AS other
WHERE
    other.account_id = %(account_id)s
    AND other.state = 'loaded'
    AND other.sha256 <> all(%(uploads)s::text [])
    AND other.profile IN (
        SELECT profile
        FROM uploads
        WHERE account_id = %(account_id)s AND sha256 = any(%(uploads)s::text [])
    )
    AND (
        EXISTS (
            SELECT 1
            FROM batches
            WHERE
                batches.account_id = %(account_id)s
                AND batches.kind = 'upload'
                AND batches.source = other.sha256
                AND batches.rows_unchanged + batches.rows_updated > 0
        )
        OR EXISTS (
            SELECT 1
            FROM batches AS changing
            INNER JOIN cdr_history AS past
                ON past.account_id = changing.account_id AND past.replaced_by = changing.batch_id
            INNER JOIN batches AS changed
                ON changed.account_id = past.account_id AND changed.batch_id = past.batch_id
            WHERE
                changing.account_id = %(account_id)s
                AND changing.kind = 'upload'
                AND changing.source = any(%(uploads)s::text [])
                AND changed.source = other.sha256
        )
    )
ORDER BY other.loaded_at, other.sha256

-- Name:        stuck_uploads
-- Purpose:     uploads that wait for a person's decision or could not be read.
-- Parameters:  account_ids (array).   Grain: account_id, sha256.   Locks: none.
SELECT
    account_id,
    sha256,
    state,
    received_at AS since,
    error_code
FROM uploads
WHERE account_id = any(%(account_ids)s) AND state IN ('held', 'refused')
ORDER BY received_at, account_id, sha256

-- Name:        upload
-- Purpose:     an upload and, once it is loaded, the counts of its batch.
-- Parameters:  account_id, sha256.   Grain: account_id, sha256.   Locks: none.
SELECT
    uploads.state,
    uploads.profile,
    uploads.file_name,
    uploads.landing_path,
    uploads.error_code,
    uploads.error_message,
    uploads.overlap_rows,
    uploads.other_calls,
    batches.rows_read,
    batches.rows_inserted,
    batches.rows_updated,
    batches.rows_unchanged,
    batches.rows_duplicate,
    batches.rows_rejected,
    batches.rows_filtered
FROM uploads
LEFT JOIN batches
    ON batches.account_id = uploads.account_id AND batches.batch_id = uploads.batch_id
WHERE uploads.account_id = %(account_id)s AND uploads.sha256 = %(sha256)s

-- Name:        upload_and_corrections
-- Purpose:     an upload and the uploads that correct its rejected lines.
-- Parameters:  account_id, sha256.   Grain: account_id, sha256.   Locks: none.
SELECT sha256
FROM uploads
WHERE account_id = %(account_id)s AND (sha256 = %(sha256)s OR corrects = %(sha256)s)
ORDER BY sha256

-- Name:        series_exist
-- Purpose:     whether the name of any file has a date or a number, so that files of a series may be missing.
-- Parameters:  account_ids (array).   Grain: one row.   Locks: none.
SELECT exists(
    SELECT 1
    FROM upload_names
    WHERE account_id = any(%(account_ids)s) AND (file_date IS NOT NULL OR file_sequence IS NOT NULL)
)

-- Name:        upload_names
-- Purpose:     names of files that were not refused or discarded and are not corrections.
-- Parameters:  account_ids (array), profiles (array).   Grain: account_id, sha256, file_name.   Locks: none.
SELECT
    named.account_id,
    named.profile,
    named.file_name,
    named.file_date,
    named.file_sequence,
    named.received_at
FROM upload_names AS named
INNER JOIN uploads
    ON uploads.account_id = named.account_id AND uploads.sha256 = named.sha256
WHERE
    named.account_id = any(%(account_ids)s)
    AND named.profile = any(%(profiles)s)
    AND uploads.state IN ('landed', 'held', 'loaded')
    AND uploads.corrects IS NULL
ORDER BY named.received_at DESC, named.account_id, named.file_name

-- Name:        uploads
-- Purpose:     uploads with their counts, newest first.
-- Parameters:  account_ids (array), sha256_prefix, states (array), most: rows, null for all.
-- Grain:       account_id, sha256.   Locks: none.
SELECT
    uploads.account_id,
    uploads.sha256,
    uploads.content_sha256,
    uploads.profile,
    uploads.time_zone,
    uploads.file_name,
    uploads.landing_path,
    uploads.state,
    uploads.received_at,
    uploads.corrects,
    uploads.overlap_rows,
    uploads.other_calls,
    uploads.decided_by,
    uploads.error_code,
    uploads.error_message,
    batches.rows_read,
    batches.rows_inserted,
    batches.rows_updated,
    batches.rows_rejected
FROM uploads
LEFT JOIN batches
    ON batches.account_id = uploads.account_id AND batches.batch_id = uploads.batch_id
WHERE
    uploads.account_id = any(%(account_ids)s)
    AND left(uploads.sha256, length(%(sha256_prefix)s)) = %(sha256_prefix)s
    AND uploads.state = any(%(states)s)
ORDER BY uploads.received_at DESC, uploads.account_id, uploads.sha256
LIMIT %(most)s
