-- Purpose:     in which day, and so in which file, a record stands; an imported one may stand in the row of another.
-- Parameters:  account_ids (array), record_id.   Grain: account_id, origin, record_id.   Locks: none.
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
    AND (cdr_merged.record_id = %(record_id)s OR cdr_merged.linked_record_id = %(record_id)s)
ORDER BY cdr_merged.account_id, cdr_merged.business_date, cdr_merged.origin
