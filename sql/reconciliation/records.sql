-- Name:        accounts_of_carriers
-- Purpose:     accounts that have files of carriers, or were ever reconciled. For the others, no day has a carrier.
-- Parameters:  account_ids (array).   Grain: account_id.   Locks: none.
SELECT DISTINCT account_id
FROM uploads
WHERE account_id = any(%(account_ids)s)
UNION
SELECT DISTINCT account_id
FROM reconciliations
WHERE account_id = any(%(account_ids)s)

-- Name:        carriers_of_day
-- Purpose:     carriers that have records around a day, rejected lines of the day, or were reconciled shortly before it.
-- Parameters:  account_id; near_dates (array), known_since, business_date.
-- Grain:       carrier, profile; a record without carrier counts for the profile that read it.   Locks: none.
SELECT
    carrier,
    profile,
    sum(row_count)::bigint AS row_count
FROM (
    SELECT
        coalesce(nullif(cdr.carrier, ''), uploads.profile) AS carrier,
        uploads.profile,
        count(*) AS row_count
    FROM cdr
    INNER JOIN batches
        ON batches.account_id = cdr.account_id AND batches.batch_id = cdr.batch_id
    INNER JOIN uploads
        ON uploads.account_id = batches.account_id AND uploads.sha256 = batches.source
    WHERE
        cdr.account_id = %(account_id)s
        AND cdr.origin = 'imported'
        AND cdr.business_date = any(%(near_dates)s)
    GROUP BY coalesce(nullif(cdr.carrier, ''), uploads.profile), uploads.profile
    UNION ALL
    SELECT DISTINCT
        rejects.carrier,
        uploads.profile,
        0 AS row_count
    FROM rejects
    INNER JOIN uploads
        ON uploads.account_id = rejects.account_id AND uploads.sha256 = rejects.source
    WHERE
        rejects.account_id = %(account_id)s
        AND rejects.business_date = %(business_date)s
        AND rejects.origin = 'imported'
        AND rejects.state = 'open'
        AND rejects.carrier <> ''
    UNION ALL
    SELECT DISTINCT
        carrier,
        profile,
        0 AS row_count
    FROM reconciliations
    WHERE
        account_id = %(account_id)s
        AND business_date BETWEEN %(known_since)s AND %(business_date)s
        AND profile IS NOT NULL
) AS found
GROUP BY carrier, profile
ORDER BY carrier, profile

-- Name:        copy_carrier_records
-- Purpose:     a carrier's records in a time range; records without carrier belong to the profile that read them.
-- Parameters:  account_id, carrier, first_date, last_date, starts_at, ends_at; columns that the comparison reads.
-- Grain:       account_id, record_id.   Locks: none.
COPY (
    SELECT {columns}
    FROM cdr
    WHERE
        cdr.account_id = %(account_id)s
        AND cdr.origin = 'imported'
        AND cdr.business_date BETWEEN %(first_date)s AND %(last_date)s
        AND cdr.started_at >= %(starts_at)s
        AND cdr.started_at < %(ends_at)s
        AND (
            cdr.carrier = %(carrier)s
            OR (
                nullif(cdr.carrier, '') IS NULL
                AND EXISTS (
                    SELECT 1
                    FROM batches
                    INNER JOIN uploads
                        ON uploads.account_id = batches.account_id AND uploads.sha256 = batches.source
                    WHERE
                        batches.account_id = %(account_id)s
                        AND batches.batch_id = cdr.batch_id
                        AND uploads.profile = %(carrier)s
                )
            )
        )
) TO STDOUT (FORMAT csv)

-- Name:        copy_switch_records
-- Purpose:     the switch's records in a time range, for the comparison with a carrier.
-- Parameters:  account_id, first_date, last_date, starts_at, ends_at; columns that the comparison reads.
-- Grain:       account_id, record_id.   Locks: none.
COPY (
    SELECT {columns}
    FROM cdr
    WHERE
        account_id = %(account_id)s
        AND origin = 'api'
        AND business_date BETWEEN %(first_date)s AND %(last_date)s
        AND started_at >= %(starts_at)s
        AND started_at < %(ends_at)s
) TO STDOUT (FORMAT csv)

-- Name:        day_state
-- Purpose:     number of changes of the records around a day, and the time up to which the switch was collected.
-- Parameters:  account_id, business_date; near_dates (array).   Grain: one row.   Locks: none.
SELECT
    coalesce(sum(changes), 0)::bigint AS changes,
    max(complete_through) FILTER (WHERE business_date = %(business_date)s) AS complete_through
FROM days
WHERE account_id = %(account_id)s AND business_date = any(%(near_dates)s)

-- Name:        due_days
-- Purpose:     reconciled days whose records, or those around them, have changed since, and days with lines of the
--              carrier that were rejected or dismissed since. Of the month before: days for which no record of the
--              carrier had come when they were reconciled.
-- Parameters:  account_id, first_date, last_date.   Grain: business_date.   Locks: none.
SELECT DISTINCT newest.business_date
FROM (
    SELECT DISTINCT ON (carrier, business_date)
        account_id,
        carrier,
        profile,
        business_date,
        status,
        switch_rows,
        carrier_rows,
        seen_changes,
        reconciled_at
    FROM reconciliations
    WHERE
        account_id = %(account_id)s
        AND business_date BETWEEN %(first_date)s::date - 31 AND %(last_date)s
    ORDER BY carrier, business_date, version DESC
) AS newest
LEFT JOIN (
    SELECT
        middle.account_id,
        middle.business_date,
        sum(near.changes) AS changes
    FROM days AS middle
    INNER JOIN days AS near
        ON
            near.account_id = middle.account_id
            AND near.business_date BETWEEN middle.business_date - 1 AND middle.business_date + 1
    WHERE
        middle.account_id = %(account_id)s
        AND middle.business_date BETWEEN %(first_date)s AND %(last_date)s
    GROUP BY middle.account_id, middle.business_date
) AS seen
    ON
        seen.account_id = newest.account_id
        AND seen.business_date = newest.business_date
WHERE
    seen.changes > newest.seen_changes
    OR (
        newest.business_date < %(first_date)s
        AND newest.status = 'provisional'
        AND newest.switch_rows > 0
        AND newest.carrier_rows = 0
    )
    OR (
        newest.business_date >= %(first_date)s
        AND EXISTS (
            SELECT 1
            FROM rejects
            WHERE
                rejects.account_id = %(account_id)s
                AND rejects.business_date = newest.business_date
                AND rejects.origin = 'imported'
                AND coalesce(nullif(rejects.carrier, ''), newest.profile) = newest.carrier
                AND greatest(rejects.rejected_at, rejects.decided_at) > newest.reconciled_at
        )
    )
ORDER BY newest.business_date

-- Name:        rejected_charges
-- Purpose:     open rejected lines of a carrier's files on a day and the amounts that could be read in them; lines
--              without carrier belong to the profile that read them.
-- Parameters:  account_id, carrier, business_date.   Grain: currency ("" for none).   Locks: none.
SELECT
    coalesce(rejects.currency, '') AS currency,
    count(*) AS line_count,
    count(rejects.amount) AS priced_count,
    coalesce(sum(rejects.amount), 0) AS amount
FROM rejects
INNER JOIN uploads
    ON uploads.account_id = rejects.account_id AND uploads.sha256 = rejects.source
WHERE
    rejects.account_id = %(account_id)s
    AND rejects.business_date = %(business_date)s
    AND rejects.origin = 'imported'
    AND rejects.state = 'open'
    AND coalesce(nullif(rejects.carrier, ''), uploads.profile) = %(carrier)s
GROUP BY coalesce(rejects.currency, '')
ORDER BY coalesce(rejects.currency, '')

-- Name:        use_one_snapshot
-- Purpose:     make all statements of a transaction read one snapshot; a load that ends in between is not visible.
-- Parameters:  none.   Locks: none. On a cluster an account's records are on one node, whose snapshot this is.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY
