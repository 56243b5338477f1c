-- Name:        has_erased_records
-- Purpose:     whether anything was ever erased in an account's records.
-- Parameters:  account_id.   Locks: none.
SELECT EXISTS (SELECT FROM erased_records WHERE erased_records.account_id = %(account_id)s)

-- Name:        clear_reject_texts
-- Purpose:     clear the raw text of rejected rows that contain a number; the other columns stay.
-- Parameters:  account_id, pattern.   Grain: reject_id.   Locks: the rows changed.   Idempotent: yes.
UPDATE rejects SET raw = ''
WHERE account_id = %(account_id)s AND raw ~ %(pattern)s
RETURNING batch_id

-- Name:        files_of_erased_records
-- Purpose:     files outside the warehouse that contain or may contain the records of an erasure: daily files and their
--              deliveries, landing files of switch and carriers, archived months.
-- Parameters:  account_id, erasure_id.   Grain: kind, path, place.   Locks: none.
WITH days_shown AS (
    SELECT DISTINCT business_date
    FROM erased_records
    WHERE account_id = %(account_id)s AND erasure_id = %(erasure_id)s
),

loads AS (
    SELECT cdr.batch_id
    FROM cdr
    WHERE
        cdr.account_id = %(account_id)s
        AND (cdr.origin, cdr.record_id) IN (
            SELECT
                erased.origin,
                erased.record_id
            FROM erased_records AS erased
            WHERE erased.account_id = %(account_id)s AND erased.erasure_id = %(erasure_id)s
        )
    UNION
    SELECT past.batch_id
    FROM cdr_history AS past
    WHERE
        past.account_id = %(account_id)s
        AND (past.origin, past.record_id) IN (
            SELECT
                erased.origin,
                erased.record_id
            FROM erased_records AS erased
            WHERE erased.account_id = %(account_id)s AND erased.erasure_id = %(erasure_id)s
        )
    UNION
    SELECT unnest(%(reject_batches)s::uuid [])
)

SELECT
    'daily file' AS kind,
    files.path,
    days.state AS place
FROM export_files AS files
INNER JOIN days ON days.account_id = files.account_id AND days.business_date = files.business_date
WHERE
    files.account_id = %(account_id)s
    AND files.business_date IN (SELECT days_shown.business_date FROM days_shown)
UNION ALL
SELECT
    'delivered',
    deliveries.path,
    deliveries.target
FROM deliveries
WHERE
    deliveries.account_id = %(account_id)s
    AND deliveries.state = 'delivered'
    AND deliveries.business_date IN (SELECT days_shown.business_date FROM days_shown)
UNION ALL
SELECT
    'landing',
    windows.landing_path,
    'window'
FROM windows
WHERE
    windows.account_id = %(account_id)s
    AND windows.landing_path IS NOT NULL
    AND windows.business_date IN (SELECT days_shown.business_date FROM days_shown)
UNION ALL
SELECT
    'landing',
    uploads.landing_path,
    'upload'
FROM uploads
INNER JOIN batches ON batches.account_id = uploads.account_id AND batches.source = uploads.sha256
WHERE
    uploads.account_id = %(account_id)s
    AND batches.batch_id IN (SELECT loads.batch_id FROM loads)
UNION ALL
SELECT
    'archive',
    removed.archived_path,
    'not searched'
FROM removed_months AS removed
WHERE removed.account_id = %(account_id)s AND removed.archived_path IS NOT NULL
ORDER BY kind, path, place

-- Name:        find_records
-- Purpose:     store the keys of an account's records, including earlier versions, that contain a number.
-- Parameters:  account_id, erasure_id, pattern (regular expression of the number); searched, the text of a record.
-- Grain:       account_id, origin, record_id, business_date.
-- Locks:       the rows written; the caller holds the account's advisory lock.   Idempotent: yes.
INSERT INTO erased_records (account_id, origin, record_id, business_date, erasure_id)
SELECT
    account_id,
    origin,
    record_id,
    business_date,
    %(erasure_id)s
FROM cdr
WHERE account_id = %(account_id)s AND {searched} ~ %(pattern)s
UNION
SELECT
    account_id,
    origin,
    record_id,
    business_date,
    %(erasure_id)s
FROM cdr_history
WHERE account_id = %(account_id)s AND {searched} ~ %(pattern)s
ON CONFLICT (account_id, origin, record_id, business_date) DO UPDATE SET erasure_id = excluded.erasure_id

-- Name:        find_linked_records
-- Purpose:     store the keys of the records linked to erased records, because they show the same call. A record that
--              was erased before is stored again, because its day shows the leg.
-- Parameters:  account_id, erasure_id.   Grain: account_id, origin, record_id, business_date.
-- Locks:       the rows written; the caller holds the account's advisory lock.   Idempotent: yes.
INSERT INTO erased_records (account_id, origin, record_id, business_date, erasure_id)
SELECT DISTINCT
    twin.account_id,
    twin.origin,
    twin.record_id,
    twin.business_date,
    %(erasure_id)s
FROM erased_records AS erased
INNER JOIN cdr_links AS link
    ON
        link.account_id = erased.account_id
        AND (
            (erased.origin = 'api' AND link.api_record_id = erased.record_id)
            OR (erased.origin = 'imported' AND link.imported_record_id = erased.record_id)
        )
CROSS JOIN LATERAL (
    VALUES
    (link.account_id, 'api', link.api_record_id, link.api_business_date),
    (link.account_id, 'imported', link.imported_record_id, link.imported_business_date)
) AS twin (account_id, origin, record_id, business_date)
WHERE
    erased.account_id = %(account_id)s
    AND erased.erasure_id = %(erasure_id)s
ON CONFLICT (account_id, origin, record_id, business_date) DO UPDATE SET erasure_id = excluded.erasure_id

-- Name:        mask_erased_records
-- Purpose:     mask numbers, names and documents of all erased records of an account, including records delivered again
--              in another form. Digests stay, so delivering the same record again does not restore its values.
-- Parameters:  account_id; table cdr or cdr_history; assignments, and the columns before and after.
-- Grain:       record.   Locks: the rows changed; the caller holds the account's advisory lock.   Idempotent: yes.
UPDATE {table} AS record SET
    {assignments}
WHERE
    account_id = %(account_id)s
    AND (origin, record_id) IN (
        SELECT
            erased.origin,
            erased.record_id
        FROM erased_records AS erased
        WHERE erased.account_id = %(account_id)s
    )
    AND ROW({before}) IS DISTINCT FROM ROW({after})

-- Name:        record_erasure
-- Purpose:     record who erased a number in an account's records, why, and the number of records.
-- Parameters:  account_id, erasure_id, actor, reason, rejects, now.   Grain: erasure_id.   Locks: the row.
-- Idempotent:  no; each request that found something is one.
INSERT INTO erasures (account_id, erasure_id, actor, reason, records, rejects, erased_at)
SELECT
    %(account_id)s,
    %(erasure_id)s,
    %(actor)s,
    %(reason)s,
    count(DISTINCT (origin, record_id)),
    %(rejects)s,
    %(now)s
FROM erased_records
WHERE account_id = %(account_id)s AND erasure_id = %(erasure_id)s
HAVING count(*) > 0 OR %(rejects)s > 0
RETURNING records

-- Name:        erased_days
-- Purpose:     days of the records of an erasure.
-- Parameters:  account_id, erasure_id.   Grain: business_date.   Locks: none.
SELECT DISTINCT business_date
FROM erased_records
WHERE account_id = %(account_id)s AND erasure_id = %(erasure_id)s

-- Name:        touch_erased_days
-- Purpose:     mark the days of an erasure as changed: open days for the next export, final days for a restatement if
--              requested. Days of removed months have no legs and are skipped.
-- Parameters:  account_id, erasure_id, reissue, now.   Grain: business_date.   Locks: the rows.   Idempotent: no.
UPDATE days SET
    changes = changes + 1,
    changed_at = %(now)s
WHERE
    account_id = %(account_id)s
    AND (state = 'open' OR %(reissue)s)
    AND business_date IN (
        SELECT erased.business_date
        FROM erased_records AS erased
        WHERE erased.account_id = %(account_id)s AND erased.erasure_id = %(erasure_id)s
    )
    AND NOT EXISTS (
        SELECT 1
        FROM removed_months AS removed
        WHERE
            removed.account_id = days.account_id
            AND removed.month = date_trunc('month', days.business_date)::date
    )
