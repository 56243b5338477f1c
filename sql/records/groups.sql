-- Name:        accounts_with_counterparts
-- Purpose:     accounts of a group with imported records around the days that their batches changed.
-- Parameters:  account_ids (array), near_dates (array).   Grain: account_id.   Locks: none.
SELECT wanted.account_id
FROM unnest(%(account_ids)s::text []) AS wanted (account_id)
WHERE
    EXISTS (
        SELECT 1
        FROM cdr
        WHERE
            cdr.account_id = wanted.account_id
            AND cdr.origin = 'imported'
            AND cdr.business_date = any(%(near_dates)s::date [])
    )

-- Name:        add_changes_of_accounts
-- Purpose:     add changes of records to accounts of a group.
-- Parameters:  account_ids, numbers, dates (arrays of equal length), now.
-- Grain:       account_id, change_no.   Locks: the rows; lock_changes_of_accounts comes first.   Idempotent: no.
INSERT INTO account_changes (account_id, change_no, kind, business_date, details, happened_at)
SELECT
    changed.account_id,
    changed.change_no,
    'records',
    changed.business_date,
    '{{}}'::jsonb,
    %(now)s::timestamptz
FROM unnest(%(account_ids)s::text [], %(numbers)s::bigint [], %(dates)s::date [])
    AS changed (account_id, change_no, business_date)

-- Name:        erased_accounts
-- Purpose:     accounts of a group of which a record was ever erased.
-- Parameters:  account_ids (array).   Grain: account_id.   Locks: none.
SELECT DISTINCT account_id
FROM erased_records
WHERE account_id = any(%(account_ids)s)

-- Name:        insert_history_of_staged
-- Purpose:     copy the present version of every staged record of a group to the history.
-- Parameters:  now; first_date, last_date: whole months that hold such records; columns all columns of cdr.
-- Grain:       account_id, origin, record_id, replaced_by.   Locks: none beyond the rows written.   Idempotent: no.
INSERT INTO cdr_history ({columns}, replaced_by, replaced_at)
SELECT
    {present},
    staged.batch_id,
    %(now)s::timestamptz
FROM cdr_stage AS staged
INNER JOIN cdr_keys AS known
    ON
        known.account_id = staged.account_id
        AND known.origin = staged.origin
        AND known.record_id = staged.record_id
INNER JOIN cdr AS present
    ON
        present.account_id = known.account_id
        AND present.origin = known.origin
        AND present.record_id = known.record_id
        AND present.business_date = known.business_date
WHERE present.business_date BETWEEN %(first_date)s AND %(last_date)s

-- Name:        lock_accounts
-- Purpose:     lock the accounts of a group against other merges, as lock_account does, in the order of the array.
-- Parameters:  account_ids (sorted array).
-- Locks:       advisory, until the end of the transaction.
SELECT pg_advisory_xact_lock(hashtextextended('cdr_pipeline.merge:' || locked.account_id, 0))
FROM unnest(%(account_ids)s::text []) AS locked (account_id)

-- Name:        lock_changes_of_accounts
-- Purpose:     number the changes of accounts in the order of their commits, as lock_changes does.
-- Parameters:  account_ids (sorted array).
-- Locks:       advisory, until the end of the transaction.
SELECT pg_advisory_xact_lock(hashtextextended('cdr_pipeline.changes:' || locked.account_id, 0))
FROM unnest(%(account_ids)s::text []) AS locked (account_id)

-- Name:        newest_changes
-- Purpose:     number of the newest change of each account of a group that has one.
-- Parameters:  account_ids (array).   Grain: account_id.   Locks: none; lock_changes_of_accounts comes first.
SELECT
    account_id,
    max(change_no) AS change_no
FROM account_changes
WHERE account_id = any(%(account_ids)s)
GROUP BY account_id

-- Name:        record_batches
-- Purpose:     record the row counts of batches of a group.
-- Parameters:  arrays of equal length, as named; now.   Grain: account_id, batch_id.   Locks: the rows.
-- Idempotent:  no, a batch is loaded once.
INSERT INTO batches (
    account_id, batch_id, kind, source, rows_read, rows_inserted, rows_updated, rows_unchanged, rows_duplicate,
    rows_rejected, rows_filtered, run_id, loaded_at
)
SELECT
    loaded.account_id,
    loaded.batch_id,
    'window',
    loaded.source,
    loaded.rows_read,
    loaded.rows_inserted,
    loaded.rows_updated,
    loaded.rows_unchanged,
    loaded.rows_duplicate,
    0,
    0,
    %(run_id)s::text,
    %(now)s::timestamptz
FROM unnest(
    %(account_ids)s::text [],
    %(batch_ids)s::uuid [],
    %(sources)s::text [],
    %(read)s::bigint [],
    %(inserted)s::bigint [],
    %(updated)s::bigint [],
    %(unchanged)s::bigint [],
    %(duplicate)s::bigint []
) AS loaded (
    account_id, batch_id, source, rows_read, rows_inserted, rows_updated, rows_unchanged, rows_duplicate
)

-- Name:        record_loaded_windows
-- Purpose:     record that landed windows of a group are loaded, as record_loaded_window does.
-- Parameters:  account_ids, sources, batch_ids, rules (arrays of equal length).
-- Grain:       account_id, landing_path.   Locks: the rows.   Idempotent: yes.
UPDATE windows SET
    state = 'loaded',
    batch_id = loaded.batch_id,
    loaded_batch_id = loaded.batch_id,
    loaded_sha256 = windows.content_sha256,
    loaded_rules = loaded.rules
FROM unnest(%(account_ids)s::text [], %(sources)s::text [], %(batch_ids)s::uuid [], %(rules)s::text [])
    AS loaded (account_id, source, batch_id, rules)
WHERE windows.account_id = loaded.account_id AND windows.landing_path = loaded.source

-- Name:        record_unchanged_windows
-- Purpose:     record a batch without changes for each window of a group that has to be loaded again and needs not be
--              read, as record_unchanged_window does.
-- Parameters:  account_ids, business_dates, starts, ends, sources, rules, batch_ids (arrays of equal length); run_id, now.
-- Grain:       the batches; none of a window that has to be read.
-- Locks:       the rows written; the caller holds the accounts' advisory locks.   Idempotent: no.
INSERT INTO batches (
    account_id, batch_id, kind, source, rows_read, rows_inserted, rows_updated, rows_unchanged, rows_duplicate,
    rows_rejected, rows_filtered, run_id, loaded_at
)
SELECT
    landed.account_id,
    wanted.batch_id,
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
FROM unnest(
    %(account_ids)s::text [],
    %(business_dates)s::date [],
    %(starts)s::timestamptz [],
    %(ends)s::timestamptz [],
    %(sources)s::text [],
    %(rules)s::text [],
    %(batch_ids)s::uuid []
) AS wanted (account_id, business_date, starts_at, ends_at, source, rules, batch_id)
INNER JOIN windows AS landed
    ON
        landed.account_id = wanted.account_id
        AND landed.starts_at = wanted.starts_at
        AND landed.ends_at = wanted.ends_at
        AND landed.business_date = wanted.business_date
        AND landed.landing_path = wanted.source
        AND landed.loaded_rules = wanted.rules
INNER JOIN batches AS last
    ON last.account_id = landed.account_id AND last.batch_id = landed.loaded_batch_id
WHERE
    landed.state = 'landed'
    AND landed.content_sha256 = landed.loaded_sha256
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
RETURNING account_id, rows_read, rows_unchanged, rows_duplicate, rows_filtered

-- Name:        removed_months_of_accounts
-- Purpose:     removed months of the accounts of a group.
-- Parameters:  account_ids (array).   Grain: account_id, month.   Locks: none.
SELECT
    account_id,
    month
FROM removed_months
WHERE account_id = any(%(account_ids)s)

-- Name:        stored_digests_of_accounts
-- Purpose:     day and digest of those of a group's records of the switch that are stored.
-- Parameters:  account_ids, record_ids (arrays of equal length).   Grain: account_id, record_id.   Locks: none.
SELECT
    keys.account_id,
    keys.record_id,
    keys.business_date,
    keys.list_digest::text
FROM unnest(%(account_ids)s::text [], %(record_ids)s::text []) AS wanted (account_id, record_id)
INNER JOIN cdr_keys AS keys
    ON
        keys.account_id = wanted.account_id
        AND keys.origin = 'api'
        AND keys.record_id = wanted.record_id

-- Name:        touch_days_of_accounts
-- Purpose:     increase the change counter of days of accounts of a group, as touch_days does.
-- Parameters:  account_ids, dates (arrays of equal length, sorted), now.   Grain: account_id, business_date.
-- Locks:       the days' rows, in their order.   Idempotent: no, it counts; the group's transaction runs it once.
INSERT INTO days AS day (account_id, business_date, state, changes, exported_changes, changed_at)
SELECT
    touched.account_id,
    touched.business_date,
    'open',
    1,
    0,
    %(now)s::timestamptz
FROM unnest(%(account_ids)s::text [], %(dates)s::date []) AS touched (account_id, business_date)
ORDER BY touched.account_id, touched.business_date
ON CONFLICT (account_id, business_date) DO UPDATE SET
    changes = day.changes + 1,
    changed_at = excluded.changed_at

-- Name:        update_keys_of_staged
-- Purpose:     store the present day and the digests of the staged records of a group.
-- Parameters:  none.   Grain: account_id, origin, record_id.   Locks: the rows changed.   Idempotent: yes.
UPDATE cdr_keys AS present SET
    business_date = staged.business_date,
    list_digest = staged.list_digest::uuid,
    row_digest = staged.row_digest::uuid
FROM cdr_stage AS staged
WHERE
    present.account_id = staged.account_id
    AND present.origin = staged.origin
    AND present.record_id = staged.record_id

-- Name:        update_staged_records
-- Purpose:     update the stored records of a group with their staged values, as update_records does.
-- Parameters:  now; first_date, last_date: whole months that hold the records; assignments generated from the field
--              dictionary.
-- Grain:       account_id, origin, record_id.
-- Locks:       the rows changed; the caller holds the accounts' advisory locks.   Idempotent: yes.
UPDATE cdr AS present SET
        {assignments}
FROM (
    SELECT
        cdr_stage.*,
        known.business_date AS present_date
    FROM cdr_stage
    INNER JOIN cdr_keys AS known
        ON
            known.account_id = cdr_stage.account_id
            AND known.origin = cdr_stage.origin
            AND known.record_id = cdr_stage.record_id
) AS staged
WHERE
    present.account_id = staged.account_id
    AND present.origin = staged.origin
    AND present.record_id = staged.record_id
    AND present.business_date = staged.present_date
    AND present.business_date BETWEEN %(first_date)s AND %(last_date)s
