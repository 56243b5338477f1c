-- Purpose:     carriers whose records stand in the warehouse around a day, or that were reconciled shortly before it.
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
