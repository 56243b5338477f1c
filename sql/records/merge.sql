-- Name:        insert_keys
-- Purpose:     store the day and the digests of each inserted record; for a batch without changed records.
-- Parameters:  account_id, batch_id.
-- Grain:       account_id, origin, record_id.
-- Locks:       the rows written; the caller holds the account's advisory lock.   Idempotent: yes.
INSERT INTO cdr_keys (account_id, origin, record_id, business_date, list_digest, row_digest, has_detail)
SELECT
    staged.account_id,
    staged.origin,
    staged.record_id,
    staged.business_date,
    staged.list_digest::uuid,
    staged.row_digest::uuid,
    staged.has_detail
FROM cdr_stage AS staged
LEFT JOIN cdr_keys AS present
    ON
        present.account_id = staged.account_id
        AND present.origin = staged.origin
        AND present.record_id = staged.record_id
WHERE
    staged.account_id = %(account_id)s
    AND staged.batch_id = %(batch_id)s
    AND NOT staged.believed_equal
    AND present.record_id IS NULL

-- Name:        copy_keys
-- Purpose:     store the day and the digests of records that copy_records has inserted.
-- Parameters:  columns those of the CSV that follows.
-- Grain:       account_id, origin, record_id.
-- Locks:       the rows written; the caller holds the account's advisory lock.   Idempotent: no; the batch is.
COPY cdr_keys ({columns}) FROM STDIN (FORMAT csv)

-- Name:        copy_records
-- Purpose:     insert records that are not stored and that the batch has once.
-- Parameters:  table: cdr, or the table of a month that is not its partition yet; columns those of the CSV that follows.
-- Grain:       account_id, origin, record_id.
-- Locks:       the rows written; the caller holds the account's advisory lock.   Idempotent: no; the batch is.
COPY {table} ({columns}) FROM STDIN (FORMAT csv)

-- Name:        own_records
-- Purpose:     which of some records the batch itself has inserted.
-- Parameters:  table: cdr, or the table of a month that is not its partition yet; account_id, origin, batch_id,
--              record_ids (array); dates (array): days of the batch's inserted records.
-- Grain:       record_id.   Locks: none.
SELECT
    record_id,
    business_date
FROM {table}
WHERE
    account_id = %(account_id)s
    AND origin = %(origin)s
    AND record_id = any(%(record_ids)s::text [])
    AND business_date = any(%(dates)s::date [])
    AND batch_id = %(batch_id)s

-- Name:        restage_records
-- Purpose:     copy records that the batch has inserted back to the stage, because the batch delivers them again.
-- Parameters:  table as own_records; account_id, origin, batch_id, record_ids (array); dates (array): their days.
-- Grain:       account_id, origin, record_id.   Locks: none beyond the rows written.   Idempotent: no; the batch is.
INSERT INTO cdr_stage ({columns}, believed_equal)
SELECT
    {stored},
    false
FROM {table} AS stored
WHERE
    stored.account_id = %(account_id)s
    AND stored.origin = %(origin)s
    AND stored.record_id = any(%(record_ids)s::text [])
    AND stored.business_date = any(%(dates)s::date [])
    AND stored.batch_id = %(batch_id)s

-- Name:        delete_restaged_keys
-- Purpose:     delete the keys of records that restage_records has copied.
-- Parameters:  account_id, origin, record_ids (array).   Grain: record_id.   Locks: the rows deleted.   Idempotent: yes.
DELETE FROM cdr_keys
WHERE account_id = %(account_id)s AND origin = %(origin)s AND record_id = any(%(record_ids)s::text [])

-- Name:        delete_restaged_records
-- Purpose:     delete records that restage_records has copied.
-- Parameters:  as restage_records.   Grain: record_id.   Locks: the rows deleted.   Idempotent: yes.
DELETE FROM {table}
WHERE
    account_id = %(account_id)s
    AND origin = %(origin)s
    AND record_id = any(%(record_ids)s::text [])
    AND business_date = any(%(dates)s::date [])
    AND batch_id = %(batch_id)s

-- Name:        affected_days
-- Purpose:     changes that a merge of the staged records will make: rows by new day and by present day, which is null
--              for new records.
-- Parameters:  account_id, batch_id.   Grain: business_date, present_date.   Locks: none.
SELECT
    staged.business_date,
    present.business_date AS present_date,
    count(*) AS row_count
FROM cdr_stage AS staged
LEFT JOIN cdr_keys AS present
    ON
        present.account_id = staged.account_id
        AND present.origin = staged.origin
        AND present.record_id = staged.record_id
WHERE
    staged.account_id = %(account_id)s
    AND staged.batch_id = %(batch_id)s
    AND NOT staged.believed_equal
    AND (
        present.record_id IS NULL
        OR staged.list_digest::uuid <> present.list_digest
        OR (staged.has_detail AND staged.row_digest::uuid <> present.row_digest)
    )
GROUP BY staged.business_date, present.business_date

-- Name:        insert_records
-- Purpose:     insert the staged records that are not stored yet.
-- Parameters:  table: cdr, or the table of a month that is not its partition yet; account_id, batch_id, now; dates
--              (array): business dates of the records that go there; columns and values generated from the field
--              dictionary.
-- Grain:       account_id, origin, record_id.
-- Locks:       the rows written; the caller holds the account's advisory lock.   Idempotent: yes.
INSERT INTO {table} ({columns})
SELECT {values}
FROM cdr_stage AS staged
WHERE
    staged.account_id = %(account_id)s
    AND staged.batch_id = %(batch_id)s
    AND NOT staged.believed_equal
    AND staged.business_date = any(%(dates)s::date [])
    AND NOT EXISTS (
        SELECT 1
        FROM cdr_keys AS present
        WHERE
            present.account_id = staged.account_id
            AND present.origin = staged.origin
            AND present.record_id = staged.record_id
    )

-- Name:        insert_history
-- Purpose:     copy the present version of every record that the merge will change to the history.
-- Parameters:  account_id, batch_id, now; first_date, last_date: whole months that hold such records; columns all
--              columns of cdr.
-- Grain:       account_id, origin, record_id, replaced_by.
-- Locks:       none beyond the rows written.   Idempotent: yes, per batch.
-- Whole months, not the days themselves: statistics do not know a day that is newer than they are, and the planner then
-- expects no record on it and compares each of its records with each staged one.
INSERT INTO cdr_history ({columns}, replaced_by, replaced_at)
SELECT
    {present},
    %(batch_id)s,
    %(now)s
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
WHERE
    staged.account_id = %(account_id)s
    AND staged.batch_id = %(batch_id)s
    AND NOT staged.believed_equal
    AND present.business_date BETWEEN %(first_date)s AND %(last_date)s
    AND (
        staged.list_digest::uuid <> known.list_digest
        OR (staged.has_detail AND staged.row_digest::uuid <> known.row_digest)
    )

-- Name:        upsert_keys
-- Purpose:     store the present day and the digests of each inserted or changed record.
-- Parameters:  account_id, batch_id.
-- Grain:       account_id, origin, record_id.
-- Locks:       the rows written.   Idempotent: yes.
INSERT INTO cdr_keys AS present (
    account_id, origin, record_id, business_date, list_digest, row_digest, has_detail
)
SELECT
    account_id,
    origin,
    record_id,
    business_date,
    list_digest::uuid,
    row_digest::uuid,
    has_detail
FROM cdr_stage
WHERE account_id = %(account_id)s AND batch_id = %(batch_id)s AND NOT believed_equal
ON CONFLICT (account_id, origin, record_id) DO UPDATE SET
    business_date = excluded.business_date,
    list_digest = excluded.list_digest,
    row_digest = excluded.row_digest,
    has_detail = present.has_detail OR excluded.has_detail
WHERE
    excluded.list_digest <> present.list_digest
    OR (excluded.has_detail AND excluded.row_digest <> present.row_digest)

-- Name:        lock_account
-- Purpose:     allow one merge per account at a time; two concurrent MERGE statements that insert the same key fail
--              with unique_violation.
-- Parameters:  account_id.
-- Locks:       advisory, until the end of the transaction; taken on the coordinator of a cluster.
SELECT pg_advisory_xact_lock(hashtextextended('cdr_pipeline.merge:' || %(account_id)s, 0))

-- Name:        record_batch
-- Purpose:     record the row counts of a batch; a constraint of the table rejects counts that do not balance.
-- Parameters:  as named.   Grain: account_id, batch_id.   Locks: the row.   Idempotent: no, a batch is loaded once.
INSERT INTO batches (
    account_id, batch_id, kind, source, rows_read, rows_inserted, rows_updated, rows_unchanged, rows_duplicate,
    rows_rejected, rows_filtered, run_id, loaded_at
) VALUES (
    %(account_id)s, %(batch_id)s, %(kind)s, %(source)s, %(read)s, %(inserted)s, %(updated)s, %(unchanged)s,
    %(duplicate)s, %(rejected)s, %(filtered)s, %(run_id)s, %(now)s
)

-- Name:        touch_days
-- Purpose:     increase the change counter of the business dates that a batch changed, including dates that changed
--              records have left. Days of removed months stay unchanged: their legs are deleted, and an empty file
--              must not replace theirs.
-- Parameters:  account_id, dates (array), now.
-- Grain:       account_id, business_date.
-- Locks:       the days' rows, in the order of their dates.
-- Idempotent:  no, it counts; the batch's transaction runs it once.
INSERT INTO days AS day (account_id, business_date, state, changes, exported_changes, changed_at)
SELECT
    %(account_id)s,
    touched.business_date,
    'open',
    1,
    0,
    %(now)s
FROM unnest(%(dates)s::date []) AS touched (business_date)
WHERE
    NOT EXISTS (
        SELECT 1
        FROM removed_months AS removed
        WHERE
            removed.account_id = %(account_id)s
            AND removed.month = date_trunc('month', touched.business_date)::date
    )
ORDER BY touched.business_date
ON CONFLICT (account_id, business_date) DO UPDATE SET
    changes = day.changes + 1,
    changed_at = excluded.changed_at

-- Name:        update_records
-- Purpose:     update changed records with their staged values; a record whose day changed moves to another partition.
--              A load without detail documents never clears values of an earlier document.
-- Parameters:  account_id, batch_id, now; first_date, last_date: whole months that hold records to change, as in
--              insert_history; assignments generated from the field dictionary.
-- Grain:       account_id, origin, record_id.
-- Locks:       the rows changed; the caller holds the account's advisory lock.   Idempotent: yes.
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
    WHERE
        cdr_stage.account_id = %(account_id)s
        AND cdr_stage.batch_id = %(batch_id)s
        AND NOT cdr_stage.believed_equal
        AND (
            cdr_stage.list_digest::uuid <> known.list_digest
            OR (cdr_stage.has_detail AND cdr_stage.row_digest::uuid <> known.row_digest)
        )
) AS staged
WHERE
    present.account_id = staged.account_id
    AND present.origin = staged.origin
    AND present.record_id = staged.record_id
    AND present.business_date = staged.present_date
    AND present.business_date BETWEEN %(first_date)s AND %(last_date)s
