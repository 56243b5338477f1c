-- Name:        analyze_stage
-- Purpose:     update the statistics of the stage; without them the planner expects one row and joins row by row.
-- Parameters:  none.   Locks: SHARE UPDATE EXCLUSIVE on the stage until the end of the transaction.
-- Idempotent:  yes.
ANALYZE cdr_stage (account_id, batch_id, origin, record_id, business_date, source_line, believed_equal)

-- Name:        clear_stage
-- Purpose:     delete the staged rows of a batch after its merge.
-- Parameters:  account_id, batch_id.
-- Locks:       the stage's rows of this batch.   Idempotent: yes.
DELETE FROM cdr_stage
WHERE account_id = %(account_id)s AND batch_id = %(batch_id)s

-- Name:        conflicting_lines
-- Purpose:     lines of a file that a later line with the same id contradicts in charge or call result.
-- Parameters:  account_id, batch_id.   Grain: source_line.   Locks: none.
SELECT source_line AS line
FROM (
    SELECT
        source_line,
        last_value(source_line) OVER same_id AS last_line,
        ROW(
            started_at, answered_at, ended_at, duration_seconds, billing_seconds, answered, hangup_cause, disposition,
            cost, cost_currency, rate
        ) AS told,
        last_value(
            ROW(
                started_at, answered_at, ended_at, duration_seconds, billing_seconds, answered, hangup_cause,
                disposition, cost, cost_currency, rate
            )
        ) OVER same_id AS told_last,
        list_digest,
        last_value(list_digest) OVER same_id AS last_digest
    FROM cdr_stage
    WHERE account_id = %(account_id)s AND batch_id = %(batch_id)s
    WINDOW same_id AS (
        PARTITION BY account_id, record_id ORDER BY source_line
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    )
) AS ranked
WHERE source_line <> last_line AND list_digest <> last_digest AND told IS DISTINCT FROM told_last
ORDER BY source_line

-- Name:        copy_stage_keys
-- Purpose:     bulk-load the keys and digests of records that are already stored unchanged.
-- Parameters:  columns those of the CSV that follows; the stage's other columns stay empty.
-- Grain:       one row per record as its origin delivered it; the same record may stand here more than once.
-- Locks:       none beyond the rows written.   Idempotent: no; the batch's transaction is.
COPY cdr_stage ({columns}) FROM STDIN (FORMAT csv)

-- Name:        copy_stage
-- Purpose:     bulk-load one chunk of a batch into the stage.
-- Parameters:  columns the stage's columns in the order of the CSV that follows.
-- Grain:       one row per record as its origin delivered it; the same record may stand here more than once.
-- Locks:       none beyond the rows written.   Idempotent: no; the batch's transaction is.
COPY cdr_stage ({columns}) FROM STDIN (FORMAT csv)

-- Name:        count_duplicates
-- Purpose:     number of staged rows of a batch that share their record with another row.
-- Parameters:  account_id, batch_id.   Grain: one row.   Locks: none.
SELECT count(*) - count(DISTINCT record_id) AS duplicates
FROM cdr_stage
WHERE account_id = %(account_id)s AND batch_id = %(batch_id)s

-- Name:        count_other_calls
-- Purpose:     number of new staged records that carry the id of another call.
-- Parameters:  account_id, batch_id.   Grain: one row.   Locks: none.
-- A record with its own id is staged with the fingerprint of its text, which replaces the id only if another call has
-- that id. In a file without ids every record is identified by its fingerprint; those are not counted here.
SELECT count(*) AS other_calls
FROM cdr_stage AS staged
LEFT JOIN cdr_keys AS present
    ON
        present.account_id = staged.account_id
        AND present.origin = staged.origin
        AND present.record_id = staged.record_id
WHERE
    staged.account_id = %(account_id)s
    AND staged.batch_id = %(batch_id)s
    AND staged.fingerprint IS NOT NULL
    AND split_part(staged.record_id, ':', 2) = 'fp'
    AND present.record_id IS NULL

-- Name:        count_overlap
-- Purpose:     numbers of staged records of a file that are already stored: unchanged, and different.
-- Parameters:  account_id, batch_id.   Grain: one row.   Locks: none.
-- An inner join of an account that statistics do not know begins with its keys and reads the stage for each of them.
SELECT
    count(*) FILTER (WHERE present.list_digest = staged.list_digest::uuid) AS equal,
    count(*) FILTER (WHERE present.list_digest <> staged.list_digest::uuid) AS different
FROM cdr_stage AS staged
LEFT JOIN cdr_keys AS present
    ON
        present.account_id = staged.account_id
        AND present.origin = staged.origin
        AND present.record_id = staged.record_id
WHERE staged.account_id = %(account_id)s AND staged.batch_id = %(batch_id)s

-- Name:        drop_duplicates
-- Purpose:     leave one row per record in the stage; the number of rows deleted is the batch's duplicates.
--              Of the switch's rows the one that ends last stays, then the greatest digest, then one with a document,
--              so that the order of pages does not matter; of a file's rows the last line stays, because a later
--              line corrects.
-- Parameters:  account_id, batch_id.
-- Grain:       account_id, origin, record_id.
-- Locks:       the stage's rows of this batch.   Idempotent: yes.
DELETE FROM cdr_stage AS doomed
USING (
    SELECT
        account_id,
        source_line,
        row_number() OVER (
            PARTITION BY account_id, origin, record_id
            ORDER BY
                CASE WHEN origin = 'api' THEN ended_at END DESC NULLS LAST,
                CASE WHEN origin = 'api' THEN row_digest END DESC NULLS LAST,
                CASE WHEN origin = 'api' THEN has_detail END DESC NULLS LAST,
                source_line DESC
        ) AS place
    FROM cdr_stage
    WHERE account_id = %(account_id)s AND batch_id = %(batch_id)s
) AS ranked
WHERE
    doomed.account_id = %(account_id)s
    AND doomed.batch_id = %(batch_id)s
    AND ranked.account_id = doomed.account_id
    AND ranked.source_line = doomed.source_line
    AND ranked.place > 1

-- Name:        drop_lines
-- Purpose:     delete rejected lines from the stage.
-- Parameters:  account_id, batch_id, lines (array).   Grain: source_line.   Locks: the stage's rows.   Idempotent: yes.
DELETE FROM cdr_stage
WHERE account_id = %(account_id)s AND batch_id = %(batch_id)s AND source_line = any(%(lines)s::bigint [])

-- Name:        stored_digests
-- Purpose:     stored digests of records that are about to be staged.
-- Parameters:  account_id, origin, record_ids (array).   Grain: record_id.   Locks: none.
SELECT
    record_id,
    list_digest::text,
    row_digest::text
FROM cdr_keys
WHERE account_id = %(account_id)s AND origin = %(origin)s AND record_id = any(%(record_ids)s::text [])

-- Name:        open_stage
-- Purpose:     create the session's own stage: a temporary table hides the shared one of the same name. Loads then
--              share neither rows nor locks, a killed load leaves nothing, and emptying the stage is free.
-- Parameters:  none.   Grain: as cdr_stage and cdr_link_stage.   Locks: none on the shared tables that others wait for.
-- Idempotent:  yes. On a cluster it is not run: MERGE and joins there need the shared, distributed tables.
CREATE TEMPORARY TABLE IF NOT EXISTS {stage} (LIKE {stage} INCLUDING DEFAULTS) ON COMMIT DELETE ROWS

-- Name:        index_stage
-- Purpose:     let joins find a staged record by its id where the planner expects few rows on the other side.
-- Parameters:  none.   Locks: the session's own stage.   Idempotent: yes.
CREATE INDEX IF NOT EXISTS cdr_stage_by_record ON pg_temp.cdr_stage (record_id)

-- Name:        separate_calls_in_file
-- Purpose:     replace the id of staged records by a fingerprint of their text if an earlier line of the file uses the
--              id for another call; see separate_calls_in_warehouse.
-- Parameters:  account_id, batch_id, most_moved (interval).   Grain: source_line.   Locks: the stage's rows.
-- Idempotent:  yes; a record known by its text is not looked at again.
UPDATE cdr_stage AS staged SET record_id = split_part(staged.record_id, ':', 1) || ':fp:' || staged.fingerprint || '-1'
FROM (
    SELECT
        account_id,
        source_line,
        started_at,
        first_value(started_at) OVER same_id AS first_start,
        coalesce(caller_e164, caller_id_number) AS caller,
        first_value(coalesce(caller_e164, caller_id_number)) OVER same_id AS first_caller,
        coalesce(callee_e164, dialed_number, callee_id_number) AS callee,
        first_value(coalesce(callee_e164, dialed_number, callee_id_number)) OVER same_id AS first_callee
    FROM cdr_stage
    WHERE
        account_id = %(account_id)s
        AND batch_id = %(batch_id)s
        AND NOT believed_equal
        AND split_part(record_id, ':', 2) = 'id'
    WINDOW same_id AS (PARTITION BY account_id, record_id ORDER BY source_line)
) AS pair
WHERE
    staged.account_id = %(account_id)s
    AND staged.batch_id = %(batch_id)s
    AND pair.account_id = staged.account_id
    AND pair.source_line = staged.source_line
    AND (
        greatest(pair.started_at - pair.first_start, pair.first_start - pair.started_at) > %(most_moved)s
        OR cdr_other_number(pair.caller, pair.first_caller)
        OR cdr_other_number(pair.callee, pair.first_callee)
    )

-- Name:        separate_calls_in_warehouse
-- Purpose:     replace the id of staged records by a fingerprint of their text if a stored record has the id for
--              another call. It is another call if a number differs, or if the start differs by more than a
--              correction explains. Numbers are equal if their digits or their last eight digits are equal; a missing
--              or masked number is not compared. A record of an earlier load of the same upload is the same call: the
--              file is read again, perhaps with another zone.
-- Parameters:  account_id, batch_id, source, most_moved (interval).   Grain: source_line.   Locks: the stage's rows.
-- Idempotent:  yes; a record known by its text is not looked at again.
UPDATE cdr_stage AS staged SET record_id = split_part(staged.record_id, ':', 1) || ':fp:' || staged.fingerprint || '-1'
FROM (
    SELECT
        fresh.account_id,
        fresh.source_line,
        fresh.started_at,
        present.started_at AS known_start,
        coalesce(fresh.caller_e164, fresh.caller_id_number) AS caller,
        coalesce(present.caller_e164, present.caller_id_number) AS known_caller,
        coalesce(fresh.callee_e164, fresh.dialed_number, fresh.callee_id_number) AS callee,
        coalesce(present.callee_e164, present.dialed_number, present.callee_id_number) AS known_callee
    FROM cdr_stage AS fresh
    INNER JOIN cdr_keys AS known
        ON
            known.account_id = fresh.account_id
            AND known.origin = fresh.origin
            AND known.record_id = fresh.record_id
    INNER JOIN cdr AS present
        ON
            present.account_id = known.account_id
            AND present.origin = known.origin
            AND present.record_id = known.record_id
            AND present.business_date = known.business_date
    WHERE
        fresh.account_id = %(account_id)s
        AND fresh.batch_id = %(batch_id)s
        AND NOT fresh.believed_equal
        AND split_part(fresh.record_id, ':', 2) = 'id'
        AND known.list_digest <> fresh.list_digest::uuid
        AND NOT EXISTS (
            SELECT 1
            FROM batches
            WHERE
                batches.account_id = present.account_id
                AND batches.batch_id = present.batch_id
                AND batches.kind = 'upload'
                AND batches.source = %(source)s
        )
) AS pair
WHERE
    staged.account_id = %(account_id)s
    AND staged.batch_id = %(batch_id)s
    AND pair.account_id = staged.account_id
    AND pair.source_line = staged.source_line
    AND (
        greatest(pair.started_at - pair.known_start, pair.known_start - pair.started_at) > %(most_moved)s
        OR cdr_other_number(pair.caller, pair.known_caller)
        OR cdr_other_number(pair.callee, pair.known_callee)
    )

-- Name:        drop_stage_index
-- Purpose:     drop the index that index_stage has created, because it slows down the staging of the next batch.
-- Parameters:  none.   Locks: the session's own stage.   Idempotent: yes.
DROP INDEX IF EXISTS pg_temp.cdr_stage_by_record

-- Name:        renumber_occurrences
-- Purpose:     number equal lines through the whole file; before, they were numbered from 1 in each staged block.
-- Parameters:  account_id, batch_id.
-- Grain:       account_id, source_line; only records known by their fingerprint (source:fp:digest-occurrence).
-- Locks:       the stage's rows of this batch.   Idempotent: yes.
UPDATE cdr_stage AS staged SET record_id = ranked.record_id
FROM (
    SELECT
        known.account_id,
        known.source_line,
        known.fingerprint || '-'
        || row_number() OVER (PARTITION BY known.account_id, known.fingerprint ORDER BY known.source_line) AS record_id
    FROM (
        SELECT
            account_id,
            source_line,
            left(record_id, -strpos(reverse(record_id), '-')) AS fingerprint
        FROM cdr_stage
        WHERE
            account_id = %(account_id)s
            AND batch_id = %(batch_id)s
            AND origin = 'imported'
            AND split_part(record_id, ':', 2) = 'fp'
    ) AS known
) AS ranked
WHERE
    staged.account_id = %(account_id)s
    AND staged.batch_id = %(batch_id)s
    AND ranked.account_id = staged.account_id
    AND ranked.source_line = staged.source_line
    AND ranked.record_id <> staged.record_id

-- Name:        disable_stage_compression
-- Purpose:     turn off compression of long texts in the session's own stage: compression takes a third of the
--              staging time and the texts are read only once.
-- Parameters:  stage: name of the session's temporary table.   Locks: that table, which only this session sees.
-- Idempotent:  yes.
ALTER TABLE {stage}
ALTER COLUMN extra SET STORAGE EXTERNAL,
ALTER COLUMN remote_sdp SET STORAGE EXTERNAL,
ALTER COLUMN local_sdp SET STORAGE EXTERNAL

-- Name:        stage_state
-- Purpose:     whether the tables of this database are distributed over a cluster, and whether the session has a stage.
-- Parameters:  none.   Grain: one row.   Locks: none.
SELECT
    to_regclass('pg_dist_partition') IS NOT NULL AS is_cluster,
    to_regclass('pg_temp.cdr_stage') IS NOT NULL AS has_own_stage

-- Name:        staged_classes
-- Purpose:     effect of a merge on each staged record.
-- Parameters:  account_id, batch_id.   Grain: source_line.   Locks: none.
SELECT
    staged.source_line,
    CASE
        WHEN present.record_id IS NULL THEN 'inserted'
        WHEN staged.list_digest::uuid <> present.list_digest THEN 'updated'
        ELSE 'unchanged'
    END AS row_class
FROM cdr_stage AS staged
LEFT JOIN cdr_keys AS present
    ON
        present.account_id = staged.account_id
        AND present.origin = staged.origin
        AND present.record_id = staged.record_id
WHERE staged.account_id = %(account_id)s AND staged.batch_id = %(batch_id)s
ORDER BY staged.source_line
