-- Name:        confirm_window
-- Purpose:     record that a window was fetched again without changes, and clear a failed attempt in between.
-- Parameters:  account_id, business_date, starts_at, ends_at, now; load: whether its pages have to be loaded again.
-- Grain:       account_id, starts_at, ends_at, business_date.   Locks: the row.   Idempotent: yes.
UPDATE windows SET
    state = CASE WHEN batch_id IS NULL OR %(load)s THEN 'landed' ELSE 'loaded' END,
    batch_id = CASE WHEN %(load)s THEN NULL ELSE batch_id END,
    error_code = NULL,
    error_message = NULL,
    attempted_at = %(now)s
WHERE
    account_id = %(account_id)s
    AND business_date = %(business_date)s
    AND starts_at = %(starts_at)s
    AND ends_at = %(ends_at)s
    AND landing_path IS NOT NULL

-- Name:        day_volumes
-- Purpose:     number of the switch's records of accounts by day; only days that were collected completely.
-- Parameters:  account_ids, business_dates (arrays).   Grain: account_id, business_date.   Locks: none.
SELECT
    days.account_id,
    days.business_date,
    (
        SELECT count(*)
        FROM cdr
        WHERE
            cdr.account_id = days.account_id
            AND cdr.business_date = days.business_date
            AND cdr.origin = 'api'
    ) AS row_count
FROM days
WHERE
    days.account_id = any(%(account_ids)s)
    AND days.business_date = any(%(business_dates)s::date [])
    AND days.complete_through IS NOT NULL
ORDER BY days.account_id, days.business_date

-- Name:        failed_windows
-- Purpose:     account-days with windows that could not be collected, with the first error of each.
-- Parameters:  account_ids (array).   Grain: account_id, business_date.   Locks: none.
SELECT
    account_id,
    business_date,
    min(attempted_at) AS since,
    count(*) AS windows,
    min(error_code) AS error_code,
    min(error_message) AS cause
FROM windows
WHERE account_id = any(%(account_ids)s) AND state = 'failed'
GROUP BY account_id, business_date
ORDER BY business_date, account_id

-- Name:        forget_failed_windows
-- Purpose:     delete failed attempts that never landed and that a later window covers.
-- Parameters:  account_id, business_date, starts_at, ends_at.   Grain: any number of rows.   Locks: those rows.
-- Idempotent:  yes.
DELETE FROM windows
WHERE
    account_id = %(account_id)s
    AND business_date = %(business_date)s
    AND state = 'failed'
    AND landing_path IS NULL
    AND starts_at >= %(starts_at)s
    AND ends_at <= %(ends_at)s

-- Name:        records_with_details
-- Purpose:     those of the given records whose detail document is already stored.
-- Parameters:  account_id, record_ids (array).   Grain: record_id.   Locks: none.
SELECT record_id
FROM cdr_keys
WHERE account_id = %(account_id)s AND origin = 'api' AND has_detail AND record_id = any(%(record_ids)s)

-- Name:        mark_window_outdated
-- Purpose:     mark a window to be fetched again because its request was wrong; until then its day is incomplete.
-- Parameters:  as named.   Grain: account_id, starts_at, ends_at, business_date.   Locks: the row.   Idempotent: yes.
INSERT INTO windows (
    account_id, starts_at, ends_at, business_date, state, error_code, error_message, attempted_at
) VALUES (
    %(account_id)s, %(starts_at)s, %(ends_at)s, %(business_date)s, 'failed', %(error_code)s, %(error_message)s, %(now)s
)
ON CONFLICT (account_id, starts_at, ends_at, business_date) DO NOTHING

-- Name:        outdated_windows
-- Purpose:     business dates with a window that is marked to be fetched again.
-- Parameters:  account_ids (array), error_code.   Grain: account_id, business_date.   Locks: none.
SELECT DISTINCT
    account_id,
    business_date
FROM windows
WHERE account_id = any(%(account_ids)s) AND state = 'failed' AND error_code = %(error_code)s
ORDER BY account_id, business_date DESC

-- Name:        record_collected_days
-- Purpose:     record that every window of some days is loaded: how far the switch's data is complete, and the verdict
--              on the volume of each.
-- Parameters:  account_ids, business_dates, through, volumes, usual_rows (arrays of the same length), now.
-- Grain:       account_id, business_date.   Locks: the rows.   Idempotent: yes.
INSERT INTO days AS day (
    account_id, business_date, state, changes, exported_changes, collected_at, complete_through, volume, usual_rows
)
SELECT
    complete.account_id,
    complete.business_date,
    'open',
    0,
    0,
    %(now)s::timestamptz,
    complete.complete_through,
    complete.volume,
    complete.usual_rows
FROM unnest(
    %(account_ids)s::text [],
    %(business_dates)s::date [],
    %(through)s::timestamptz [],
    %(volumes)s::text [],
    %(usual_rows)s::integer []
) AS complete (account_id, business_date, complete_through, volume, usual_rows)
ORDER BY complete.account_id, complete.business_date
ON CONFLICT (account_id, business_date) DO UPDATE SET
    collected_at = excluded.collected_at,
    complete_through = greatest(excluded.complete_through, day.complete_through),
    volume = excluded.volume,
    usual_rows = excluded.usual_rows

-- Name:        record_dialect
-- Purpose:     store the API dialect of an account's switch, and when it was last seen.
-- Parameters:  account_id, dialect, now.   Grain: account_id.   Locks: the row.   Idempotent: yes.
UPDATE accounts SET dialect = %(dialect)s, dialect_seen_at = %(now)s
WHERE account_id = %(account_id)s

-- Name:        record_failed_window
-- Purpose:     record that a window could not be collected; pages of an earlier attempt stay on record.
-- Parameters:  as named.   Grain: account_id, starts_at, ends_at, business_date.   Locks: the row.   Idempotent: yes.
INSERT INTO windows (
    account_id, starts_at, ends_at, business_date, state, error_code, error_message, attempted_at
) VALUES (
    %(account_id)s, %(starts_at)s, %(ends_at)s, %(business_date)s, 'failed', %(error_code)s, %(error_message)s, %(now)s
)
ON CONFLICT (account_id, starts_at, ends_at, business_date) DO UPDATE SET
    state = excluded.state,
    error_code = excluded.error_code,
    error_message = excluded.error_message,
    attempted_at = excluded.attempted_at

-- Name:        record_landed_window
-- Purpose:     record that all pages of a window are on disk.
-- Parameters:  as named.   Grain: account_id, starts_at, ends_at, business_date.   Locks: the row.   Idempotent: yes.
INSERT INTO windows (
    account_id, starts_at, ends_at, business_date, state, dialect, rows_landed, landing_path, content_sha256,
    landed_at, attempted_at
) VALUES (
    %(account_id)s, %(starts_at)s, %(ends_at)s, %(business_date)s, 'landed', %(dialect)s, %(rows)s, %(landing_path)s,
    %(content_sha256)s, %(now)s, %(now)s
)
ON CONFLICT (account_id, starts_at, ends_at, business_date) DO UPDATE SET
    state = excluded.state,
    dialect = excluded.dialect,
    rows_landed = excluded.rows_landed,
    landing_path = excluded.landing_path,
    content_sha256 = excluded.content_sha256,
    landed_at = excluded.landed_at,
    batch_id = NULL,
    error_code = NULL,
    error_message = NULL,
    attempted_at = excluded.attempted_at

-- Name:        record_loaded_window
-- Purpose:     record that a landed window is loaded, and what it was loaded from.
-- Parameters:  account_id, source (landing path), batch_id; rules: hash of everything besides the rows that the load
--              depends on, or null.
-- Grain:       account_id, landing_path.   Locks: the row.   Idempotent: yes.
UPDATE windows SET
    state = 'loaded',
    batch_id = %(batch_id)s,
    loaded_batch_id = %(batch_id)s,
    loaded_sha256 = content_sha256,
    loaded_rules = %(rules)s
WHERE account_id = %(account_id)s AND landing_path = %(source)s

-- Name:        record_unchanged_window
-- Purpose:     record a batch without changes for a window that landed with the rows of its last load, if nothing has
--              changed since that could make another load differ: the rules, or a record by another window. Lines that
--              were rejected are read again.
-- Parameters:  account_id, business_date, starts_at, ends_at, source (landing path), rules, batch_id, run_id, now.
-- Grain:       the batch, or none if the window has to be read.
-- Locks:       the row written; the caller holds the account's advisory lock.   Idempotent: no.
INSERT INTO batches (
    account_id, batch_id, kind, source, rows_read, rows_inserted, rows_updated, rows_unchanged, rows_duplicate,
    rows_rejected, rows_filtered, run_id, loaded_at
)
SELECT
    landed.account_id,
    %(batch_id)s::uuid,
    'window',
    landed.landing_path,
    last.rows_read,
    0,
    0,
    last.rows_inserted + last.rows_updated + last.rows_unchanged,
    last.rows_duplicate,
    0,
    last.rows_filtered,
    %(run_id)s::text,
    %(now)s::timestamptz
FROM windows AS landed
INNER JOIN batches AS last
    ON last.account_id = landed.account_id AND last.batch_id = landed.loaded_batch_id
WHERE
    landed.account_id = %(account_id)s
    AND landed.business_date = %(business_date)s
    AND landed.starts_at = %(starts_at)s
    AND landed.ends_at = %(ends_at)s
    AND landed.landing_path = %(source)s
    AND landed.state = 'landed'
    AND landed.content_sha256 = landed.loaded_sha256
    AND landed.loaded_rules = %(rules)s
    AND last.rows_rejected = 0
    AND NOT EXISTS (
        SELECT 1
        FROM batches AS later
        WHERE
            later.account_id = landed.account_id
            AND later.kind = 'window'
            AND later.rows_updated > 0
            AND later.loaded_at >= last.loaded_at
            AND later.batch_id <> last.batch_id
    )
RETURNING rows_read, rows_unchanged, rows_duplicate, rows_filtered

-- Name:        recorded_windows
-- Purpose:     all windows of a business date, in any state.
-- Parameters:  account_id, business_date.   Grain: account_id, starts_at, ends_at.   Locks: none.
SELECT
    starts_at,
    ends_at,
    state,
    error_code,
    content_sha256,
    dialect,
    landing_path
FROM windows
WHERE account_id = %(account_id)s AND business_date = %(business_date)s
ORDER BY starts_at, ends_at

-- Name:        restore_failed_windows
-- Purpose:     reset windows whose last attempt failed to their earlier landed pages, if a later window covers them.
-- Parameters:  account_id, business_date, starts_at, ends_at.   Grain: any number of rows.   Locks: those rows.
-- Idempotent:  yes.
UPDATE windows SET
    state = CASE WHEN batch_id IS NULL THEN 'landed' ELSE 'loaded' END,
    error_code = NULL,
    error_message = NULL
WHERE
    account_id = %(account_id)s
    AND business_date = %(business_date)s
    AND state = 'failed'
    AND landing_path IS NOT NULL
    AND starts_at >= %(starts_at)s
    AND ends_at <= %(ends_at)s

-- Name:        windows_of_days
-- Purpose:     state of all windows of accounts on business dates.
-- Parameters:  account_ids, business_dates (arrays).   Grain: account_id, starts_at, ends_at, business_date.   Locks: none.
SELECT
    account_id,
    business_date,
    starts_at,
    ends_at,
    state,
    dialect
FROM windows
WHERE account_id = any(%(account_ids)s) AND business_date = any(%(business_dates)s::date [])
ORDER BY account_id, business_date, starts_at, ends_at

-- Name:        windows_to_load
-- Purpose:     landed windows of a business date that are not loaded yet, and of other dates if these are wanted; all
--              landed windows of the date for a replay.
-- Parameters:  account_ids (array), business_date, others, replay.
-- Grain:       account_id, starts_at, ends_at, business_date.   Locks: none.
SELECT
    account_id,
    business_date,
    starts_at,
    ends_at,
    dialect,
    landing_path,
    landed_at,
    loaded_sha256 IS NOT NULL AS loaded_before,
    coalesce(rows_landed, 0) AS rows_landed
FROM windows
WHERE
    account_id = any(%(account_ids)s)
    AND (%(others)s OR business_date = %(business_date)s)
    AND (state = 'landed' OR (%(replay)s AND landing_path IS NOT NULL))
ORDER BY account_id, business_date, starts_at, ends_at
