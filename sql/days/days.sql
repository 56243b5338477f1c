-- Name:        batches_of_day
-- Purpose:     rows by class over all loads of a day's windows.
-- Parameters:  account_ids (array), business_date.   Grain: one row.   Locks: none.
SELECT
    coalesce(sum(batches.rows_read), 0)::bigint AS read,
    coalesce(sum(batches.rows_inserted), 0)::bigint AS inserted,
    coalesce(sum(batches.rows_updated), 0)::bigint AS updated,
    coalesce(sum(batches.rows_unchanged), 0)::bigint AS unchanged,
    coalesce(sum(batches.rows_duplicate), 0)::bigint AS duplicate,
    coalesce(sum(batches.rows_rejected), 0)::bigint AS rejected,
    coalesce(sum(batches.rows_filtered), 0)::bigint AS filtered
FROM batches
INNER JOIN windows ON windows.account_id = batches.account_id AND windows.batch_id = batches.batch_id
WHERE batches.account_id = any(%(account_ids)s) AND windows.business_date = %(business_date)s

-- Name:        day_batches
-- Purpose:     batches that inserted the day's present records or replaced earlier ones, with the window or file of
--              each.
-- Parameters:  account_id, business_date.   Grain: batch_id.   Locks: none.
SELECT
    batches.batch_id,
    batches.kind,
    batches.source,
    uploads.file_name,
    uploads.profile,
    batches.loaded_at,
    batches.run_id,
    touched.records,
    touched.replaced
FROM (
    SELECT
        account_id,
        batch_id,
        sum(records)::bigint AS records,
        sum(replaced)::bigint AS replaced
    FROM (
        SELECT
            account_id,
            batch_id,
            1 AS records,
            0 AS replaced
        FROM cdr
        WHERE account_id = %(account_id)s AND business_date = %(business_date)s
        UNION ALL
        SELECT
            account_id,
            replaced_by,
            0,
            1
        FROM cdr_history
        WHERE account_id = %(account_id)s AND business_date = %(business_date)s
    ) AS each_record
    GROUP BY account_id, batch_id
) AS touched
INNER JOIN batches
    ON batches.account_id = touched.account_id AND batches.batch_id = touched.batch_id
LEFT JOIN uploads
    ON
        uploads.account_id = batches.account_id
        AND uploads.account_id = %(account_id)s
        AND uploads.sha256 = batches.source
WHERE batches.account_id = %(account_id)s
ORDER BY batches.loaded_at, batches.batch_id

-- Name:        day_ledger
-- Purpose:     ledger entry of an account's day, for its file and manifest.
-- Parameters:  account_id, business_date.   Grain: one row.   Locks: none.
SELECT
    coalesce(known.state, 'open') AS state,
    coalesce(known.version, 1) AS version,
    coalesce(known.changes, 0) AS changes,
    coalesce(known.exported_changes, 0) AS exported_changes,
    known.complete_through,
    known.volume,
    known.sealed_at,
    known.published_at,
    rejected.rejected_rows,
    rejected.corrected_rows
FROM (
    SELECT
        count(*) FILTER (WHERE state <> 'corrected') AS rejected_rows,
        count(*) FILTER (WHERE state = 'corrected') AS corrected_rows
    FROM rejects
    WHERE account_id = %(account_id)s AND business_date = %(business_date)s
) AS rejected
LEFT JOIN days AS known
    ON known.account_id = %(account_id)s AND known.business_date = %(business_date)s

-- Name:        day_traffic
-- Purpose:     records of business dates by hour, origin and currency, for the plots and totals of a night. Totals must
--              not be added over origins, because both may have the same call.
-- Parameters:  account_ids (array), business_dates (array).
-- Grain:       hour of the start in UTC, origin, cost_currency.   Locks: none.
SELECT
    extract(HOUR FROM started_at AT TIME ZONE 'UTC')::integer AS hour,
    origin,
    cost_currency,
    count(*) AS row_count,
    coalesce(sum(billing_seconds), 0) AS billing_seconds,
    coalesce(sum(cost), 0) AS cost
FROM cdr
WHERE account_id = any(%(account_ids)s) AND business_date = any(%(business_dates)s)
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3

-- Name:        count_late_rows
-- Purpose:     rows of sealed days that changed since their files were written: legs with a new or changed record or
--              link, imported records that joined a leg of another day, and records that moved to another day. Removed
--              links and erased values leave no time, so a late day may have no row here.
-- Parameters:  account_ids (array), first_date, last_date.   Grain: account_id, business_date.   Locks: none.
SELECT
    late.account_id,
    late.business_date,
    count(*) AS late_rows
FROM (
    SELECT
        days.account_id,
        days.business_date,
        legs.record_id
    FROM days
    INNER JOIN cdr_merged AS legs
        ON
            legs.account_id = days.account_id
            AND legs.business_date = days.business_date
            AND legs.changed_at > days.exported_at
    WHERE
        days.account_id = any(%(account_ids)s)
        AND days.business_date BETWEEN %(first_date)s AND %(last_date)s
        AND days.state <> 'open'
        AND days.exported_changes < days.changes
    UNION ALL
    SELECT
        days.account_id,
        days.business_date,
        link.imported_record_id
    FROM days
    INNER JOIN cdr_links AS link
        ON
            link.account_id = days.account_id
            AND link.imported_business_date = days.business_date
            AND link.api_business_date <> days.business_date
            AND link.linked_at > days.exported_at
    WHERE
        days.account_id = any(%(account_ids)s)
        AND days.business_date BETWEEN %(first_date)s AND %(last_date)s
        AND days.state <> 'open'
        AND days.exported_changes < days.changes
    UNION ALL
    SELECT DISTINCT
        days.account_id,
        days.business_date,
        past.record_id
    FROM days
    INNER JOIN cdr_history AS past
        ON
            past.account_id = days.account_id
            AND past.business_date = days.business_date
            AND past.replaced_at > days.exported_at
    INNER JOIN cdr_keys AS present
        ON
            present.account_id = past.account_id
            AND present.origin = past.origin
            AND present.record_id = past.record_id
            AND present.business_date <> past.business_date
    WHERE
        days.account_id = any(%(account_ids)s)
        AND days.business_date BETWEEN %(first_date)s AND %(last_date)s
        AND days.state <> 'open'
        AND days.exported_changes < days.changes
) AS late
GROUP BY late.account_id, late.business_date

-- Name:        days
-- Purpose:     days with their state and newest exact file. A sealed day with changes that its file does not show is
--              late_pending; count_late_rows counts them.
-- Parameters:  account_ids (array), first_date, last_date.   Grain: account_id, business_date.   Locks: none.
SELECT
    days.account_id,
    days.business_date,
    CASE
        WHEN days.state <> 'open' AND days.exported_changes < days.changes THEN 'late_pending'
        ELSE days.state
    END AS state,
    days.version,
    days.complete_through,
    days.sealed_at,
    days.changed_at,
    days.volume,
    export_files.row_count AS rows,
    export_files.sha256,
    export_files.path
FROM days
LEFT JOIN export_files
    ON
        export_files.account_id = days.account_id
        AND export_files.business_date = days.business_date
        AND export_files.version = days.version
        AND export_files.dialect = 'exact'
WHERE
    days.account_id = any(%(account_ids)s)
    AND days.business_date BETWEEN %(first_date)s AND %(last_date)s
ORDER BY days.account_id, days.business_date

-- Name:        days_in_state
-- Purpose:     account-days that need work: open days to seal, sealed days with late records to restate, sealed days
--              whose manifests are not on disk.
-- Parameters:  account_ids (array), first_date, last_date, what (open, late or unpublished).
-- Grain:       account_id, business_date.   Locks: none.
SELECT
    account_id,
    business_date
FROM days
WHERE
    account_id = any(%(account_ids)s)
    AND business_date BETWEEN %(first_date)s AND %(last_date)s
    -- The condition of the index of unfinished days, which each case below implies.
    AND (state = 'open' OR exported_changes < changes OR published_at IS NULL)
    AND CASE %(what)s
        WHEN 'open' THEN state = 'open'
        WHEN 'late' THEN state <> 'open' AND exported_changes < changes
        ELSE state <> 'open' AND published_at IS NULL
    END
ORDER BY account_id, business_date

-- Name:        days_to_export
-- Purpose:     open days whose file does not show the latest changes.
-- Parameters:  account_ids (array).   Grain: account_id, business_date.   Locks: none.
SELECT
    account_id,
    business_date
FROM days
WHERE
    account_id = any(%(account_ids)s)
    AND state = 'open'
    AND exported_changes < changes
ORDER BY account_id, business_date

-- Name:        late_days
-- Purpose:     days of any state whose files do not show a change made before an instant.
-- Parameters:  account_ids (array), before (instant).   Grain: account_id, business_date.   Locks: none.
SELECT
    account_id,
    business_date,
    changes
FROM days
WHERE
    account_id = any(%(account_ids)s)
    AND exported_changes < changes
    AND changed_at < %(before)s
ORDER BY account_id, business_date

-- Name:        late_rows
-- Purpose:     number of records of earlier days that arrived or changed since an instant.
-- Parameters:  account_ids (array), business_dates (array), since.   Grain: one row.   Locks: none.
SELECT count(*) AS row_count
FROM cdr
WHERE account_id = any(%(account_ids)s) AND business_date = any(%(business_dates)s) AND changed_at >= %(since)s

-- Name:        missing_days
-- Purpose:     business dates on which an active account's day should be complete and is not: it was not collected, or
--              a window failed since. The first day of an account is the day before it was added.
-- Parameters:  account_ids (array), first_date, last_date, time_zone (the operator's).
-- Grain:       business_date, attempted, error_code; a new installation with many accounts has few of them.   Locks: none.
-- Each table is read on its own first: a cluster joins copied and distributed tables in fewer ways than one server.
-- Days are counted by date first, so that only the accounts of dates with a gap are looked at one by one.
WITH firsts AS MATERIALIZED (
    SELECT
        accounts.account_id,
        greatest(%(first_date)s::date, (accounts.added_at AT TIME ZONE %(time_zone)s)::date - 1) AS first_day
    FROM accounts
    WHERE accounts.account_id = any(%(account_ids)s) AND accounts.active
),

expected AS MATERIALIZED (
    SELECT
        span.business_date::date AS business_date,
        sum(starts.accounts) AS accounts
    FROM (
        SELECT
            first_day,
            count(*) AS accounts
        FROM firsts
        GROUP BY first_day
    ) AS starts
    CROSS JOIN generate_series(starts.first_day, %(last_date)s::date, '1 day') AS span (business_date)
    GROUP BY span.business_date
),

counted AS MATERIALIZED (
    SELECT
        days.business_date,
        count(*) AS accounts
    FROM days
    INNER JOIN firsts ON firsts.account_id = days.account_id AND firsts.first_day <= days.business_date
    WHERE
        days.account_id = any(%(account_ids)s)
        AND days.business_date BETWEEN %(first_date)s::date AND %(last_date)s::date
        AND days.collected_at IS NOT NULL
    GROUP BY days.business_date
),

failed AS MATERIALIZED (
    SELECT DISTINCT windows.business_date
    FROM windows
    WHERE
        windows.account_id = any(%(account_ids)s)
        AND windows.business_date BETWEEN %(first_date)s::date AND %(last_date)s::date
        AND windows.state = 'failed'
),

looked_at AS MATERIALIZED (
    SELECT expected.business_date
    FROM expected
    LEFT JOIN counted ON counted.business_date = expected.business_date
    LEFT JOIN failed ON failed.business_date = expected.business_date
    WHERE coalesce(counted.accounts, 0) < expected.accounts OR failed.business_date IS NOT NULL
),

due AS MATERIALIZED (
    SELECT
        firsts.account_id,
        looked_at.business_date
    FROM firsts
    INNER JOIN looked_at ON looked_at.business_date >= firsts.first_day
),

collected AS MATERIALIZED (
    SELECT
        days.account_id,
        days.business_date
    FROM days
    INNER JOIN looked_at ON looked_at.business_date = days.business_date
    WHERE
        days.account_id = any(%(account_ids)s)
        AND days.business_date BETWEEN %(first_date)s::date AND %(last_date)s::date
        AND days.collected_at IS NOT NULL
),

attempted AS MATERIALIZED (
    SELECT
        windows.account_id,
        windows.business_date,
        bool_or(windows.state = 'failed') AS failed,
        min(windows.error_code) FILTER (WHERE windows.state = 'failed') AS error_code
    FROM windows
    INNER JOIN looked_at ON looked_at.business_date = windows.business_date
    WHERE
        windows.account_id = any(%(account_ids)s)
        AND windows.business_date BETWEEN %(first_date)s::date AND %(last_date)s::date
    GROUP BY windows.account_id, windows.business_date
)

SELECT
    due.business_date,
    attempted.account_id IS NOT NULL AS attempted,
    attempted.error_code,
    array_agg(due.account_id ORDER BY due.account_id) AS account_ids
FROM due
LEFT JOIN collected ON collected.account_id = due.account_id AND collected.business_date = due.business_date
LEFT JOIN attempted ON attempted.account_id = due.account_id AND attempted.business_date = due.business_date
WHERE collected.account_id IS NULL OR coalesce(attempted.failed, false)
GROUP BY due.business_date, attempted.account_id IS NOT NULL, attempted.error_code
ORDER BY due.business_date, attempted, attempted.error_code

-- Name:        newest_day
-- Purpose:     newest day of an account that has records, was collected, or is final.
-- Parameters:  account_id.   Grain: one row; null when there is none.   Locks: none.
SELECT max(business_date) AS business_date
FROM days
WHERE account_id = %(account_id)s AND (changes > 0 OR collected_at IS NOT NULL OR state <> 'open')

-- Name:        outdated_files
-- Purpose:     dates with files that do not show a change made before an instant, open and final days separately.
-- Parameters:  account_ids (array), before (instant).   Grain: business_date, still_open.   Locks: none.
SELECT
    business_date,
    state = 'open' AS still_open,
    count(*) AS accounts,
    min(changed_at) AS since
FROM days
WHERE
    account_id = any(%(account_ids)s)
    AND exported_changes < changes
    AND changed_at < %(before)s
GROUP BY business_date, state = 'open'
ORDER BY business_date, still_open

-- Name:        record_unchanged_day
-- Purpose:     record that the late changes of a sealed day cancelled out, so its file shows them all.
-- Parameters:  account_id, business_date, changes.   Grain: account_id, business_date.   Locks: the row.
-- Idempotent:  yes.
UPDATE days SET exported_changes = %(changes)s
WHERE account_id = %(account_id)s AND business_date = %(business_date)s

-- Name:        status
-- Purpose:     contents of the warehouse by account and day.
-- Parameters:  account_ids (array), first_date, last_date.   Grain: account_id, business_date.   Locks: none.
SELECT
    days.account_id,
    days.business_date,
    days.state,
    days.complete_through,
    days.changed_at,
    days.exported_at,
    days.volume,
    days.usual_rows,
    coalesce(records.api_rows, 0) AS api_rows,
    coalesce(records.imported_rows, 0) AS imported_rows,
    coalesce(records.api_minutes, 0) AS api_minutes,
    coalesce(open_windows.failed, 0) AS failed_windows,
    export_files.path,
    export_files.row_count
FROM days
LEFT JOIN (
    SELECT
        account_id,
        business_date,
        count(*) FILTER (WHERE origin = 'api') AS api_rows,
        count(*) FILTER (WHERE origin = 'imported') AS imported_rows,
        sum(billing_seconds) FILTER (WHERE origin = 'api') / 60 AS api_minutes
    FROM cdr
    WHERE
        account_id = any(%(account_ids)s)
        AND business_date BETWEEN %(first_date)s AND %(last_date)s
    GROUP BY account_id, business_date
) AS records
    ON records.account_id = days.account_id AND records.business_date = days.business_date
LEFT JOIN (
    SELECT
        account_id,
        business_date,
        count(*) AS failed
    FROM windows
    WHERE account_id = any(%(account_ids)s) AND state = 'failed'
    GROUP BY account_id, business_date
) AS open_windows
    ON open_windows.account_id = days.account_id AND open_windows.business_date = days.business_date
LEFT JOIN export_files
    ON
        export_files.account_id = days.account_id
        AND export_files.business_date = days.business_date
        AND export_files.version = days.version
        AND export_files.dialect = 'exact'
WHERE
    days.account_id = any(%(account_ids)s)
    AND days.business_date BETWEEN %(first_date)s AND %(last_date)s
ORDER BY days.account_id, days.business_date

-- Name:        suspicious_days
-- Purpose:     days that were collected completely and have far fewer records than usual on that weekday.
-- Parameters:  account_ids (array), first_date.   Grain: account_id, business_date.   Locks: none.
SELECT
    account_id,
    business_date,
    volume,
    usual_rows,
    collected_at AS since
FROM days
WHERE
    account_id = any(%(account_ids)s)
    AND business_date >= %(first_date)s
    AND volume IN ('thin', 'empty')
ORDER BY business_date, account_id
