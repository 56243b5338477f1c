-- Name:        add_day_event
-- Purpose:     add a seal or restatement to the history of a day; events are never changed.
-- Parameters:  as named.   Grain: account_id, business_date, event_id.   Locks: the row.   Idempotent: no.
INSERT INTO day_events (
    account_id, business_date, event_id, event, version, actor, reason, overridden, before_sha256, after_sha256,
    happened_at, run_id
) VALUES (
    %(account_id)s, %(business_date)s, %(event_id)s, %(event)s, %(version)s, %(actor)s, %(reason)s, %(overridden)s,
    %(before_sha256)s, %(after_sha256)s, %(now)s, %(run_id)s
)

-- Name:        day_events
-- Purpose:     seals and restatements of a day, oldest first.
-- Parameters:  account_id, business_date.   Grain: event_id.   Locks: none.
SELECT
    event,
    version,
    actor,
    reason,
    overridden,
    before_sha256,
    after_sha256,
    happened_at,
    run_id
FROM day_events
WHERE account_id = %(account_id)s AND business_date = %(business_date)s
ORDER BY happened_at, version, event_id

-- Name:        day_obstacles
-- Purpose:     unfinished work that may still change a day: windows that are not loaded, files of the account that
--              wait, running collections.
-- Parameters:  account_id, business_date.   Grain: one row.   Locks: none.
SELECT
    (
        SELECT count(*)
        FROM windows
        WHERE account_id = %(account_id)s AND business_date = %(business_date)s AND state <> 'loaded'
    ) AS open_windows,
    (
        SELECT count(*)
        FROM uploads
        WHERE account_id = %(account_id)s AND state IN ('landed', 'held')
    ) AS waiting_uploads,
    (
        SELECT count(*)
        FROM collections
        WHERE
            account_id = %(account_id)s
            AND business_date = %(business_date)s
            AND leased_until > clock_timestamp()
    ) AS collecting

-- Name:        final_days
-- Purpose:     those of the given days that are sealed or restated.
-- Parameters:  account_id, business_dates (array).   Grain: business_date.   Locks: none.
SELECT business_date
FROM days
WHERE account_id = %(account_id)s AND business_date = any(%(business_dates)s::date []) AND state <> 'open'
ORDER BY business_date

-- Name:        lock_day_shared
-- Purpose:     block sealing of a day while its file is written; loads of the day are not blocked.
-- Parameters:  account_id, business_date.   Grain: one row.   Locks: the row against sealing, until the transaction ends.
SELECT state
FROM days
WHERE account_id = %(account_id)s AND business_date = %(business_date)s
FOR KEY SHARE

-- Name:        try_lock_out_loads
-- Purpose:     try to block loads of the account until the transaction ends; false if one is running. Seals of other
--              days are not blocked. It is the lock of records/lock_account.
-- Parameters:  account_id.   Grain: one row.   Locks: advisory, shared, until the end of the transaction.
SELECT pg_try_advisory_xact_lock_shared(hashtextextended('cdr_pipeline.merge:' || %(account_id)s, 0)) AS quiet

-- Name:        lock_day
-- Purpose:     lock a day to seal or restate it; waits for other holders and for exports of the day.
-- Parameters:  account_id, business_date.   Grain: one row.   Locks: the row, until the end of the transaction.
SELECT state
FROM days
WHERE account_id = %(account_id)s AND business_date = %(business_date)s
FOR UPDATE

-- Name:        lock_export
-- Purpose:     allow one export of a day at a time, so that its files and ledger rows come from one run; loads of the
--              day are not blocked.
-- Parameters:  account_id, business_date.
-- Locks:       advisory, until the end of the transaction; taken on the coordinator of a cluster.
SELECT pg_advisory_xact_lock(
    hashtextextended('cdr_pipeline.export:' || %(account_id)s || ':' || %(business_date)s::text, 0)
)

-- Name:        ensure_day
-- Purpose:     create the row to lock for an account's day if it is missing.
-- Parameters:  account_id, business_date.   Grain: account_id, business_date.   Locks: the row.   Idempotent: yes.
INSERT INTO days (account_id, business_date, state, changes, exported_changes)
VALUES (%(account_id)s, %(business_date)s, 'open', 0, 0)
ON CONFLICT (account_id, business_date) DO NOTHING

-- Name:        record_exported_day
-- Purpose:     record how many changes of an open day its files show.
-- Parameters:  account_id, business_date, changes, now.   Grain: account_id, business_date.   Locks: the row.
-- Idempotent:  yes.
UPDATE days SET exported_changes = %(changes)s, exported_at = %(now)s
WHERE account_id = %(account_id)s AND business_date = %(business_date)s AND state = 'open'

-- Name:        record_final_day
-- Purpose:     record that a day is sealed or restated as a version; its manifests are not announced yet.
-- Parameters:  account_id, business_date, state, version, changes, now.   Grain: account_id, business_date.
-- Locks:       the row; the caller has it.   Idempotent: yes.
UPDATE days SET
    state = %(state)s,
    version = %(version)s,
    exported_changes = %(changes)s,
    exported_at = %(now)s,
    sealed_at = coalesce(sealed_at, %(now)s),
    published_at = NULL
WHERE account_id = %(account_id)s AND business_date = %(business_date)s

-- Name:        record_published_days
-- Purpose:     record that the manifests of versions of sealed days are on disk.
-- Parameters:  arrays of equal length account_ids, business_dates, versions; now.   Grain: account_id, business_date.
-- Locks:       the rows.   Idempotent: yes.
UPDATE days SET published_at = %(now)s
FROM unnest(%(account_ids)s::text [], %(business_dates)s::date [], %(versions)s::integer [])
    AS published (account_id, business_date, version)
WHERE
    days.account_id = published.account_id
    AND days.business_date = published.business_date
    AND days.version = published.version
