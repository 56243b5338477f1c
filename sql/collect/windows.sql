-- Name:        confirm_window
-- Purpose:     a window was read again and has the rows that it had; a failed attempt in between is made good.
-- Parameters:  account_id, business_date, starts_at, ends_at, now.   Grain: account_id, starts_at, ends_at,
--              business_date.   Locks: the row.   Idempotent: yes.
UPDATE windows SET
    state = CASE WHEN batch_id IS NULL THEN 'landed' ELSE 'loaded' END,
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
-- Purpose:     how many of the switch's records an account has on some days; only days that were collected whole.
-- Parameters:  account_id, business_dates (array).   Grain: business_date.   Locks: none.
SELECT
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
    days.account_id = %(account_id)s
    AND days.business_date = any(%(business_dates)s::date [])
    AND days.complete_through IS NOT NULL
ORDER BY days.business_date

-- Name:        days_to_load
-- Purpose:     business dates other than one that have windows on disk which are not merged yet.
-- Parameters:  account_id, business_date.   Grain: business_date.   Locks: none.
SELECT DISTINCT business_date
FROM windows
WHERE account_id = %(account_id)s AND business_date <> %(business_date)s AND state = 'landed'
ORDER BY business_date

-- Name:        failed_windows
-- Purpose:     account-days with a window that could not be collected, with the first of its reasons.
-- Parameters:  account_ids (array).   Grain: account_id, business_date.   Locks: none.
SELECT
    account_id,
    business_date,
    min(attempted_at) AS since,
    count(*) AS windows,
    min(error_code) AS error_code
FROM windows
WHERE account_id = any(%(account_ids)s) AND state = 'failed'
GROUP BY account_id, business_date
ORDER BY business_date, account_id

-- Name:        forget_failed_windows
-- Purpose:     failed attempts are made good by a window that was landed later and covers them.
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
-- Purpose:     which of these records have their detail document in the warehouse already.
-- Parameters:  account_id, record_ids (array).   Grain: record_id.   Locks: none.
SELECT record_id
FROM cdr_keys
WHERE account_id = %(account_id)s AND origin = 'api' AND has_detail AND record_id = any(%(record_ids)s)

-- Name:        landed_windows
-- Purpose:     windows of a business date whose pages are on disk; those not merged yet, or all of them to replay.
-- Parameters:  account_id, business_date, replay.   Grain: account_id, starts_at, ends_at.   Locks: none.
SELECT
    starts_at,
    ends_at,
    dialect,
    landing_path,
    landed_at
FROM windows
WHERE
    account_id = %(account_id)s
    AND business_date = %(business_date)s
    AND (state = 'landed' OR (%(replay)s AND landing_path IS NOT NULL))
ORDER BY starts_at, ends_at

-- Name:        loaded_windows
-- Purpose:     the windows of a business date that are in the warehouse.
-- Parameters:  account_id, business_date.   Grain: account_id, starts_at, ends_at.   Locks: none.
SELECT
    starts_at,
    ends_at
FROM windows
WHERE account_id = %(account_id)s AND business_date = %(business_date)s AND state = 'loaded'

-- Name:        mark_window_outdated
-- Purpose:     a window must be read again because of how it was asked for; until then its day is not whole.
-- Parameters:  as named.   Grain: account_id, starts_at, ends_at, business_date.   Locks: the row.   Idempotent: yes.
INSERT INTO windows (
    account_id, starts_at, ends_at, business_date, state, error_code, error_message, attempted_at
) VALUES (
    %(account_id)s, %(starts_at)s, %(ends_at)s, %(business_date)s, 'failed', %(error_code)s, %(error_message)s, %(now)s
)
ON CONFLICT (account_id, starts_at, ends_at, business_date) DO NOTHING

-- Name:        open_windows
-- Purpose:     windows of a business date that stand in the way of calling it collected.
-- Parameters:  account_id, business_date.   Grain: account_id, starts_at, ends_at.   Locks: none.
SELECT
    starts_at,
    ends_at,
    state,
    error_code,
    error_message
FROM windows
WHERE account_id = %(account_id)s AND business_date = %(business_date)s AND state <> 'loaded'
ORDER BY starts_at

-- Name:        outdated_windows
-- Purpose:     business dates of which a window must be read again because of how it was asked for.
-- Parameters:  account_id, error_code.   Grain: business_date.   Locks: none.
SELECT DISTINCT business_date
FROM windows
WHERE account_id = %(account_id)s AND state = 'failed' AND error_code = %(error_code)s
ORDER BY business_date DESC

-- Name:        record_collected_day
-- Purpose:     every window of the day is loaded; the day is complete for the switch up to complete_through, and its
--              volume is usual for the account or not.
-- Parameters:  as named.   Grain: account_id, business_date.   Locks: the row.   Idempotent: yes.
INSERT INTO days AS day (
    account_id, business_date, state, changes, exported_changes, collected_at, complete_through, volume, usual_rows
)
VALUES (
    %(account_id)s, %(business_date)s, 'open', 0, 0, %(now)s, %(complete_through)s, %(volume)s, %(usual_rows)s
)
ON CONFLICT (account_id, business_date) DO UPDATE SET
    collected_at = excluded.collected_at,
    complete_through = greatest(excluded.complete_through, day.complete_through),
    volume = excluded.volume,
    usual_rows = excluded.usual_rows

-- Name:        record_dialect
-- Purpose:     remember which dialect the switch speaks for an account, and when it was last seen to do so.
-- Parameters:  account_id, dialect, now.   Grain: account_id.   Locks: the row.   Idempotent: yes.
UPDATE accounts SET dialect = %(dialect)s, dialect_seen_at = %(now)s
WHERE account_id = %(account_id)s

-- Name:        record_failed_window
-- Purpose:     a window could not be collected; what an earlier attempt landed stays known.
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
-- Purpose:     a window's pages are on disk, whole.
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
-- Purpose:     a landed window has been merged.
-- Parameters:  as named.   Grain: account_id, landing_path.   Locks: the row.   Idempotent: yes.
UPDATE windows SET state = 'loaded', batch_id = %(batch_id)s
WHERE account_id = %(account_id)s AND landing_path = %(source)s

-- Name:        recorded_windows
-- Purpose:     every window of a business date, whatever became of it.
-- Parameters:  account_id, business_date.   Grain: account_id, starts_at, ends_at.   Locks: none.
SELECT
    starts_at,
    ends_at,
    state,
    error_code,
    content_sha256
FROM windows
WHERE account_id = %(account_id)s AND business_date = %(business_date)s
ORDER BY starts_at, ends_at

-- Name:        restore_failed_windows
-- Purpose:     windows whose last attempt failed and whose earlier pages are on disk: a window that was landed later covers
--              them, so their failure is made good.
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
