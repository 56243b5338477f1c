-- Name:        copy_month
-- Purpose:     records of a month's legs with all columns, each with the record it is linked to.
-- Parameters:  account_id, first_day, end_day; cells of the fields.   Grain: record.   Locks: none.
COPY (
    SELECT
        {cells},
        extra::text,
        has_detail::text,
        list_digest,
        row_digest,
        batch_id,
        source_line,
        replace(left(changed_at::text, -3), ' ', 'T') || 'Z',
        linked_record_id
    FROM (
        SELECT
            cdr.*,
            place.linked_record_id
        FROM cdr_places AS place
        INNER JOIN cdr
            ON
                cdr.account_id = place.account_id
                AND cdr.origin = place.origin
                AND cdr.record_id = place.record_id
                AND cdr.business_date = place.business_date
        WHERE
            place.account_id = %(account_id)s
            AND place.leg_date >= %(first_day)s
            AND place.leg_date < %(end_day)s
    ) AS going
    ORDER BY going.business_date, going.started_at, going.origin COLLATE "C", going.record_id COLLATE "C"
) TO STDOUT (FORMAT csv)

-- Name:        count_month
-- Purpose:     number of records of a month's legs.
-- Parameters:  account_id, first_day, end_day.   Grain: one row.   Locks: none.
SELECT count(*) AS records
FROM cdr_places
WHERE
    account_id = %(account_id)s
    AND leg_date >= %(first_day)s
    AND leg_date < %(end_day)s

-- Name:        delete_history
-- Purpose:     delete earlier versions whose day is in a month, and those of records that are removed with it.
-- Parameters:  account_id, first_day, end_day.   Grain: account_id, origin, record_id, replaced_by.
-- Locks:       the rows; the caller holds the account's advisory lock.   Idempotent: yes.
DELETE FROM cdr_history AS past
WHERE
    past.account_id = %(account_id)s
    AND (
        (past.business_date >= %(first_day)s AND past.business_date < %(end_day)s)
        OR EXISTS (
            SELECT 1
            FROM cdr_places AS place
            WHERE
                place.account_id = %(account_id)s
                AND place.origin = past.origin
                AND place.record_id = past.record_id
                AND place.leg_date >= %(first_day)s
                AND place.leg_date < %(end_day)s
        )
    )

-- Name:        delete_keys
-- Purpose:     delete the keys of the removed records of a month. Runs after the records are deleted and before their
--              links, which identify them.
-- Parameters:  account_id, first_day, end_day.   Grain: record.
-- Locks:       the rows; the caller holds the account's advisory lock.   Idempotent: yes.
DELETE FROM cdr_keys
USING cdr_places AS place
WHERE
    cdr_keys.account_id = %(account_id)s
    AND place.account_id = cdr_keys.account_id
    AND place.origin = cdr_keys.origin
    AND place.record_id = cdr_keys.record_id
    AND place.leg_date >= %(first_day)s
    AND place.leg_date < %(end_day)s

-- Name:        delete_links
-- Purpose:     delete the links of a month's legs; a leg belongs to the day of its API record.
-- Parameters:  account_id, first_day, end_day.   Grain: account_id, imported_record_id.
-- Locks:       the rows; the caller holds the account's advisory lock.   Idempotent: yes.
DELETE FROM cdr_links
WHERE
    account_id = %(account_id)s
    AND api_business_date >= %(first_day)s
    AND api_business_date < %(end_day)s

-- Name:        delete_records
-- Purpose:     delete the records of a month's legs.
-- Parameters:  account_id, first_day, end_day.   Grain: record.
-- Locks:       the rows; the caller holds the account's advisory lock.   Idempotent: yes.
DELETE FROM cdr
USING cdr_places AS place
WHERE
    cdr.account_id = %(account_id)s
    AND place.account_id = cdr.account_id
    AND place.origin = cdr.origin
    AND place.record_id = cdr.record_id
    AND place.business_date = cdr.business_date
    AND place.leg_date >= %(first_day)s
    AND place.leg_date < %(end_day)s

-- Name:        drop_partition
-- Purpose:     drop a month's partition that is empty for all accounts.
-- Parameters:  partition: its name.
-- Locks:       ACCESS EXCLUSIVE on it and its parent, for a moment; readers and loads wait.   Idempotent: yes.
DROP TABLE IF EXISTS {partition}

-- Name:        due_months
-- Purpose:     months of an account that end before a date and are not removed yet.
-- Parameters:  account_id, before (date).   Grain: month (its first day).   Locks: none.
SELECT known.month
FROM (
    SELECT DISTINCT
        account_id,
        date_trunc('month', business_date)::date AS month
    FROM days
    WHERE account_id = %(account_id)s AND business_date < %(before)s
) AS known
LEFT JOIN removed_months AS removed
    ON removed.account_id = known.account_id AND removed.month = known.month
WHERE removed.month IS NULL
ORDER BY known.month

-- Name:        finished_days
-- Purpose:     sealed days before a date whose files show all their changes.
-- Parameters:  account_id, before (date).   Grain: business_date.   Locks: none.
SELECT business_date
FROM days
WHERE
    account_id = %(account_id)s
    AND business_date < %(before)s
    AND state <> 'open'
    AND exported_changes >= changes
ORDER BY business_date

-- Name:        lock_partitions_shared
-- Purpose:     block the removal of partitions from the check that they exist until rows are inserted.
-- Parameters:  none.   Locks: advisory, shared, until the end of the transaction; on the coordinator of a cluster.
SELECT pg_advisory_xact_lock_shared(7230114226003)

-- Name:        insert_removed_records
-- Purpose:     store the ids of records that are removed with a month's legs although their day is in another month.
-- Parameters:  account_id, first_day, end_day.   Grain: record.
-- Locks:       the rows written; the caller holds the account's advisory lock.   Idempotent: yes.
INSERT INTO removed_records (account_id, origin, record_id, business_date, month)
SELECT
    account_id,
    origin,
    record_id,
    business_date,
    %(first_day)s
FROM cdr_places
WHERE
    account_id = %(account_id)s
    AND leg_date >= %(first_day)s
    AND leg_date < %(end_day)s
    AND (business_date < %(first_day)s OR business_date >= %(end_day)s)
ON CONFLICT (account_id, origin, record_id, business_date) DO NOTHING

-- Name:        insert_removed_calls
-- Purpose:     store the calls of the last day of a month that no imported record is linked to. The first imported
--              record of such a call may come later, with a day in the next month. Earlier months are removed before.
-- Parameters:  account_id, first_day, end_day.   Grain: account_id, call_digest, started_at.
-- Locks:       the rows written; the caller holds the account's advisory lock.   Idempotent: yes.
INSERT INTO removed_calls (account_id, call_digest, started_at, month)
SELECT
    cdr.account_id,
    encode(sha256(convert_to(cdr.call_id, 'UTF8')), 'hex'),
    cdr.started_at,
    %(first_day)s
FROM cdr
INNER JOIN cdr_places AS place
    ON
        place.account_id = cdr.account_id
        AND place.origin = cdr.origin
        AND place.record_id = cdr.record_id
        AND place.business_date = cdr.business_date
WHERE
    cdr.account_id = %(account_id)s
    AND cdr.origin = 'api'
    AND cdr.call_id IS NOT NULL
    AND place.linked_record_id IS NULL
    AND cdr.business_date = %(end_day)s::date - 1
ON CONFLICT (account_id, call_digest, started_at) DO NOTHING

-- Name:        insert_month_totals
-- Purpose:     store the totals of a month's legs before they are removed.
-- Parameters:  account_id, first_day, end_day.   Grain: account_id, business_date, origin, cost_currency.
-- Locks:       the rows written.   Idempotent: no; the month is removed once, in the same transaction.
INSERT INTO retained_totals (
    account_id, business_date, origin, cost_currency, legs, duration_seconds, billing_seconds, cost
)
SELECT
    account_id,
    business_date,
    origin,
    coalesce(cost_currency, ''),
    count(*),
    coalesce(sum(duration_seconds), 0),
    coalesce(sum(billing_seconds), 0),
    coalesce(sum(cost), 0)
FROM cdr_merged
WHERE
    account_id = %(account_id)s
    AND business_date >= %(first_day)s
    AND business_date < %(end_day)s
GROUP BY account_id, business_date, origin, coalesce(cost_currency, '')

-- Name:        records_of_removed_calls
-- Purpose:     those of the given imported records whose call was removed with its month. Left out are records that are
--              stored, and records of a call that the switch's stored records have too.
-- Parameters:  account_id; arrays record_ids, call_ids, call_digests, starts; most_apart (interval between the starts
--              of two records of a leg).   Grain: record_id.   Locks: none.
SELECT DISTINCT delivered.record_id
FROM unnest(
    %(record_ids)s::text [], %(call_ids)s::text [], %(call_digests)s::text [], %(starts)s::timestamptz []
) AS delivered (record_id, call_id, call_digest, started_at)
INNER JOIN removed_calls AS removed
    ON
        removed.account_id = %(account_id)s
        AND removed.call_digest = delivered.call_digest
        AND removed.started_at BETWEEN delivered.started_at - %(most_apart)s AND delivered.started_at + %(most_apart)s
WHERE
    NOT EXISTS (
        SELECT 1
        FROM cdr_keys AS stored
        WHERE
            stored.account_id = %(account_id)s
            AND stored.origin = 'imported'
            AND stored.record_id = delivered.record_id
    )
    AND NOT EXISTS (
        SELECT 1
        FROM cdr AS leg
        WHERE
            leg.account_id = %(account_id)s
            AND leg.origin = 'api'
            AND leg.call_id = delivered.call_id
            AND leg.started_at BETWEEN delivered.started_at - %(most_apart)s AND delivered.started_at + %(most_apart)s
    )

-- Name:        records_of_kept_legs
-- Purpose:     those of the given records whose leg belongs to another month than the record itself.
-- Parameters:  account_id, origin, record_ids (array).   Grain: record_id.   Locks: none.
SELECT record_id
FROM cdr_places
WHERE
    account_id = %(account_id)s
    AND origin = %(origin)s
    AND record_id = any(%(record_ids)s::text [])
    AND date_trunc('month', leg_date) <> date_trunc('month', business_date)

-- Name:        may_drop_partitions
-- Purpose:     whether no load is running; blocks new merges until the transaction ends.
-- Parameters:  none.   Grain: one row.   Locks: advisory, until the end of the transaction.
SELECT pg_try_advisory_xact_lock(7230114226003) AS quiet

-- Name:        old_partitions
-- Purpose:     months that were removed for some account and still have a partition.
-- Parameters:  none.   Grain: month.   Locks: none.
-- The months are read first: a cluster does not join the catalogue with distributed tables.
WITH removed AS MATERIALIZED (
    SELECT DISTINCT removed_months.month
    FROM removed_months
)

SELECT removed.month
FROM removed
WHERE
    EXISTS (
        SELECT 1
        FROM pg_inherits
        INNER JOIN pg_class ON pg_class.oid = pg_inherits.inhrelid
        WHERE
            pg_inherits.inhparent = 'cdr'::regclass
            AND pg_class.relname = 'cdr_y' || to_char(removed.month, 'YYYY"m"MM')
    )
ORDER BY removed.month

-- Name:        partition_has_rows
-- Purpose:     whether a month's partition has rows of any account.
-- Parameters:  partition: its name.   Grain: one row.   Locks: none.
SELECT EXISTS (SELECT 1 FROM {partition}) AS has_rows

-- Name:        record_removed_month
-- Purpose:     record that a month was removed, and the path of its archive if there is one.
-- Parameters:  account_id, first_day, records, archived_path, archived_sha256, now.
-- Grain:       account_id, month.   Locks: the row.   Idempotent: no; a month is removed once.
INSERT INTO removed_months (account_id, month, records, archived_path, archived_sha256, removed_at)
VALUES (%(account_id)s, %(first_day)s, %(records)s, %(archived_path)s, %(archived_sha256)s, %(now)s)

-- Name:        removed_months
-- Purpose:     removed months of an account; loads reject records of these months.
-- Parameters:  account_id.   Grain: month (its first day).   Locks: none.
SELECT month
FROM removed_months
WHERE account_id = %(account_id)s
ORDER BY month

-- Name:        removed_records
-- Purpose:     those of the given records that were removed with a leg of another month, and their day.
-- Parameters:  account_id, origin, record_ids (array).   Grain: record_id, business_date.   Locks: none.
SELECT
    record_id,
    business_date
FROM removed_records
WHERE account_id = %(account_id)s AND origin = %(origin)s AND record_id = any(%(record_ids)s::text [])

-- Name:        unfinished_days
-- Purpose:     days of a month that are open, or sealed with changes that their files do not show.
-- Parameters:  account_id, first_day, end_day (the month's and the next one's).   Grain: business_date.   Locks: none.
SELECT business_date
FROM days
WHERE
    account_id = %(account_id)s
    AND business_date >= %(first_day)s
    AND business_date < %(end_day)s
    AND (state = 'open' OR exported_changes < changes)
ORDER BY business_date
