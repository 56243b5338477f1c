-- Purpose:     in which day, and so in which file, a record stands; an imported one may stand in the row of another.
--              An id without its source, as files and earlier versions have it, stands for that of every source.
-- Parameters:  account_ids (array), record_id.   Grain: account_id, origin, record_id.   Locks: none.
WITH wanted AS (
    SELECT %(record_id)s AS record_id
    UNION
    SELECT
        replace(replace(read_by.profile, '~', '~7e'), ':', '~3a')
        || kind.mark || regexp_replace(%(record_id)s, kind.past_mark, '')
    FROM (
        SELECT DISTINCT profile
        FROM uploads
        WHERE account_id = any(%(account_ids)s)
    ) AS read_by
    CROSS JOIN (VALUES (':id:', '^$'), (':fp:', '^fp-'), (':fx:', '^fx-')) AS kind (mark, past_mark)
)

SELECT
    cdr_merged.account_id,
    cdr_merged.business_date,
    cdr_merged.origin,
    cdr_merged.record_id,
    cdr_merged.changed_at,
    days.state,
    days.version,
    export_files.path
FROM cdr_merged
INNER JOIN days
    ON days.account_id = cdr_merged.account_id AND days.business_date = cdr_merged.business_date
LEFT JOIN export_files
    ON
        export_files.account_id = days.account_id
        AND export_files.business_date = days.business_date
        AND export_files.version = days.version
        AND export_files.dialect = 'exact'
WHERE
    cdr_merged.account_id = any(%(account_ids)s)
    AND (
        cdr_merged.record_id IN (SELECT wanted.record_id FROM wanted)
        OR cdr_merged.linked_record_id IN (SELECT wanted.record_id FROM wanted)
    )
ORDER BY cdr_merged.account_id, cdr_merged.business_date, cdr_merged.origin
