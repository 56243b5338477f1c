-- Name:        lines_of_accounts
-- Purpose:     legs of accounts without links on a business date, account by account, each in the order and format of
--              the daily file.
-- Parameters:  account_ids (array), business_date; cells of the file.   Grain: leg.   Locks: none.
COPY (
    SELECT {cells}
    FROM cdr AS legs
    WHERE account_id = any(%(account_ids)s) AND business_date = %(business_date)s
    ORDER BY legs.account_id COLLATE "C", legs.started_at, legs.origin COLLATE "C", legs.record_id COLLATE "C"
) TO STDOUT (FORMAT csv)

-- Name:        sizes_of_days
-- Purpose:     number of records of accounts on a business date; accounts without records are left out.
-- Parameters:  account_ids (array), business_date.   Grain: account_id.   Locks: none.
SELECT
    account_id,
    count(*) AS row_count
FROM cdr
WHERE account_id = any(%(account_ids)s) AND business_date = %(business_date)s
GROUP BY account_id

-- Name:        linked_accounts
-- Purpose:     accounts with records that are linked as one leg.
-- Parameters:  account_ids (array).   Grain: account_id.   Locks: none.
SELECT wanted.account_id
FROM unnest(%(account_ids)s::text []) AS wanted (account_id)
WHERE EXISTS (SELECT 1 FROM cdr_links WHERE cdr_links.account_id = wanted.account_id)

-- Name:        ensure_days
-- Purpose:     create the rows to lock for a day of accounts where they are missing, as ensure_day does.
-- Parameters:  account_ids (sorted array), business_date.   Grain: account_id, business_date.   Locks: the rows.
-- Idempotent:  yes.
INSERT INTO days (account_id, business_date, state, changes, exported_changes)
SELECT
    wanted.account_id,
    %(business_date)s::date,
    'open',
    0,
    0
FROM unnest(%(account_ids)s::text []) AS wanted (account_id)
ORDER BY wanted.account_id
ON CONFLICT (account_id, business_date) DO NOTHING

-- Name:        lock_days
-- Purpose:     lock a day of accounts to seal it, as lock_day does.
-- Parameters:  account_ids (array), business_date.   Grain: account_id.
-- Locks:       the rows in the order of their accounts, until the end of the transaction.
SELECT account_id
FROM days
WHERE account_id = any(%(account_ids)s) AND business_date = %(business_date)s
ORDER BY account_id
FOR UPDATE

-- Name:        lock_days_shared
-- Purpose:     block sealing of a day of accounts while its files are written, as lock_day_shared does.
-- Parameters:  account_ids (array), business_date.   Grain: account_id.
-- Locks:       the rows against sealing in the order of their accounts, until the transaction ends.
SELECT account_id
FROM days
WHERE account_id = any(%(account_ids)s) AND business_date = %(business_date)s
ORDER BY account_id
FOR KEY SHARE

-- Name:        lock_exports
-- Purpose:     allow one export of a day of accounts at a time, as lock_export does, in the order of the array.
-- Parameters:  account_ids (sorted array), business_date.
-- Locks:       advisory, until the end of the transaction.
SELECT
    pg_advisory_xact_lock(
        hashtextextended('cdr_pipeline.export:' || locked.account_id || ':' || %(business_date)s::text, 0)
    )
FROM unnest(%(account_ids)s::text []) AS locked (account_id)

-- Name:        try_lock_out_loads_of_accounts
-- Purpose:     try to block loads of accounts until the transaction ends, as try_lock_out_loads does.
-- Parameters:  account_ids (array).   Grain: account_id; quiet is false if a load is running.
-- Locks:       advisory, shared, until the end of the transaction.
SELECT
    wanted.account_id,
    pg_try_advisory_xact_lock_shared(hashtextextended('cdr_pipeline.merge:' || wanted.account_id, 0)) AS quiet
FROM unnest(%(account_ids)s::text []) AS wanted (account_id)

-- Name:        ledger_of_days
-- Purpose:     ledger entries of a day of accounts, as day_ledger returns them; the rows exist.
-- Parameters:  account_ids (array), business_date.   Grain: account_id.   Locks: none.
SELECT
    days.account_id,
    days.state,
    days.version,
    days.changes,
    days.exported_changes,
    days.complete_through,
    days.volume,
    days.sealed_at,
    days.published_at,
    coalesce(rejected.rejected_rows, 0) AS rejected_rows,
    coalesce(rejected.corrected_rows, 0) AS corrected_rows
FROM days
LEFT JOIN (
    SELECT
        account_id,
        count(*) FILTER (WHERE state <> 'corrected') AS rejected_rows,
        count(*) FILTER (WHERE state = 'corrected') AS corrected_rows
    FROM rejects
    WHERE account_id = any(%(account_ids)s) AND business_date = %(business_date)s
    GROUP BY account_id
) AS rejected ON rejected.account_id = days.account_id
WHERE days.account_id = any(%(account_ids)s) AND days.business_date = %(business_date)s

-- Name:        files_of_days
-- Purpose:     files of the present version of a day of accounts.
-- Parameters:  account_ids (array), business_date.   Grain: account_id, dialect.   Locks: none.
SELECT
    files.account_id,
    files.business_date,
    files.version,
    files.dialect,
    files.path,
    files.sha256,
    files.content_sha256,
    files.bytes AS size,
    files.row_count AS rows,
    files.manifest
FROM export_files AS files
INNER JOIN days
    ON
        days.account_id = files.account_id
        AND days.business_date = files.business_date
        AND days.version = files.version
WHERE
    files.account_id = any(%(account_ids)s)
    AND files.business_date = %(business_date)s
    AND days.account_id = any(%(account_ids)s)
    AND days.business_date = %(business_date)s
ORDER BY files.account_id, files.dialect

-- Name:        unfinished_of_days
-- Purpose:     unfinished work that may still change a day of accounts, as day_obstacles counts it, but for running
--              collections; the rows of the days exist.
-- Parameters:  account_ids (array), business_date.   Grain: account_id.   Locks: none.
SELECT
    days.account_id,
    coalesce(unloaded.row_count, 0) AS open_windows,
    coalesce(waiting.row_count, 0) AS waiting_uploads
FROM days
LEFT JOIN (
    SELECT
        account_id,
        count(*) AS row_count
    FROM windows
    WHERE account_id = any(%(account_ids)s) AND business_date = %(business_date)s AND state <> 'loaded'
    GROUP BY account_id
) AS unloaded ON unloaded.account_id = days.account_id
LEFT JOIN (
    SELECT
        account_id,
        count(*) AS row_count
    FROM uploads
    WHERE account_id = any(%(account_ids)s) AND state IN ('landed', 'held')
    GROUP BY account_id
) AS waiting ON waiting.account_id = days.account_id
WHERE days.account_id = any(%(account_ids)s) AND days.business_date = %(business_date)s

-- Name:        collecting_accounts
-- Purpose:     accounts whose day a process is collecting.
-- Parameters:  account_ids (array), business_date.   Grain: account_id.   Locks: none.
SELECT account_id
FROM collections
WHERE
    account_id = any(%(account_ids)s)
    AND business_date = %(business_date)s
    AND leased_until > clock_timestamp()

-- Name:        record_export_files
-- Purpose:     record that daily files are complete on disk, as record_export_file does.
-- Parameters:  arrays of equal length, as named; now.   Grain: account_id, business_date, version, dialect.
-- Locks:       the rows.   Idempotent: yes.
INSERT INTO export_files (
    account_id, business_date, version, dialect, path, sha256, content_sha256, bytes, row_count, manifest, written_at
)
SELECT
    written.account_id,
    written.business_date,
    written.version,
    written.dialect,
    written.path,
    written.sha256,
    written.content_sha256,
    written.bytes,
    written.row_count,
    written.manifest,
    %(now)s::timestamptz
FROM
    unnest(
        %(account_ids)s::text [],
        %(business_dates)s::date [],
        %(versions)s::integer [],
        %(dialects)s::text [],
        %(paths)s::text [],
        %(sha256s)s::text [],
        %(content_sha256s)s::text [],
        %(sizes)s::bigint [],
        %(row_counts)s::bigint [],
        %(manifests)s::text []
    ) AS written (
        account_id, business_date, version, dialect, path, sha256, content_sha256, bytes, row_count, manifest
    )
ORDER BY written.account_id, written.business_date, written.version, written.dialect
ON CONFLICT (account_id, business_date, version, dialect) DO UPDATE SET
    path = excluded.path,
    sha256 = excluded.sha256,
    content_sha256 = excluded.content_sha256,
    bytes = excluded.bytes,
    row_count = excluded.row_count,
    manifest = excluded.manifest,
    written_at = excluded.written_at
WHERE
    export_files.sha256 <> excluded.sha256
    OR export_files.path <> excluded.path
    OR export_files.manifest IS DISTINCT FROM excluded.manifest

-- Name:        record_exported_days
-- Purpose:     record how many changes of a day of accounts their files show, as record_exported_day does.
-- Parameters:  account_ids, changes (arrays of equal length), business_date, now.   Grain: account_id.
-- Locks:       the rows; the caller has them.   Idempotent: yes.
UPDATE days SET exported_changes = shown.changes, exported_at = %(now)s
FROM unnest(%(account_ids)s::text [], %(changes)s::bigint []) AS shown (account_id, changes)
WHERE days.account_id = shown.account_id AND days.business_date = %(business_date)s AND days.state = 'open'

-- Name:        record_final_days
-- Purpose:     record that a day of accounts is sealed, as record_final_day does.
-- Parameters:  account_ids, versions, changes (arrays of equal length), business_date, state, now.   Grain: account_id.
-- Locks:       the rows; the caller has them.   Idempotent: yes.
UPDATE days SET
    state = %(state)s,
    version = final.version,
    exported_changes = final.changes,
    exported_at = %(now)s,
    sealed_at = coalesce(days.sealed_at, %(now)s),
    published_at = NULL
FROM unnest(%(account_ids)s::text [], %(versions)s::integer [], %(changes)s::bigint [])
    AS final (account_id, version, changes)
WHERE days.account_id = final.account_id AND days.business_date = %(business_date)s

-- Name:        add_events_of_days
-- Purpose:     add a seal to the history of a day of accounts, as add_day_event does.
-- Parameters:  arrays of equal length, as named; overridden: JSON arrays; business_date, event, actor, reason, run_id,
--              now.
-- Grain:       account_id, event_id.   Locks: the rows.   Idempotent: no.
INSERT INTO day_events (
    account_id, business_date, event_id, event, version, actor, reason, overridden, before_sha256, after_sha256,
    happened_at, run_id
)
SELECT
    final.account_id,
    %(business_date)s::date,
    final.event_id,
    %(event)s::text,
    final.version,
    %(actor)s::text,
    %(reason)s::text,
    ARRAY(SELECT jsonb_array_elements_text(final.overridden::jsonb)),
    NULL,
    final.after_sha256,
    %(now)s::timestamptz,
    %(run_id)s::text
FROM
    unnest(
        %(account_ids)s::text [],
        %(event_ids)s::uuid [],
        %(versions)s::integer [],
        %(overridden)s::text [],
        %(after_sha256s)s::text []
    ) AS final (account_id, event_id, version, overridden, after_sha256)

-- Name:        add_changes_of_days
-- Purpose:     add a change of a day to accounts, with its details.
-- Parameters:  account_ids, numbers, details (JSON; arrays of equal length), kind, business_date, now.
-- Grain:       account_id, change_no.   Locks: the rows; records/lock_changes_of_accounts comes first.
-- Idempotent:  no.
INSERT INTO account_changes (account_id, change_no, kind, business_date, details, happened_at)
SELECT
    changed.account_id,
    changed.change_no,
    %(kind)s::text,
    %(business_date)s::date,
    changed.details::jsonb,
    %(now)s::timestamptz
FROM unnest(%(account_ids)s::text [], %(numbers)s::bigint [], %(details)s::text [])
    AS changed (account_id, change_no, details)

-- Name:        reconciled_accounts
-- Purpose:     accounts whose day was ever reconciled with a carrier.
-- Parameters:  account_ids (array), business_date.   Grain: account_id.   Locks: none.
SELECT DISTINCT account_id
FROM reconciliations
WHERE account_id = any(%(account_ids)s) AND business_date = %(business_date)s
