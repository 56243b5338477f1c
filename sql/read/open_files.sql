-- Purpose:     files of open days as their export recorded them.
-- Parameters:  account_ids (array).   Grain: account_id, business_date, dialect.   Locks: none.
SELECT
    files.account_id,
    files.business_date,
    files.version,
    files.dialect,
    files.path,
    files.sha256,
    files.content_sha256,
    files.bytes AS size,
    files.row_count AS rows,
    files.manifest
FROM export_files AS files
INNER JOIN days
    ON
        days.account_id = files.account_id
        AND days.business_date = files.business_date
        AND days.version = files.version
WHERE files.account_id = any(%(account_ids)s) AND days.state = 'open'
ORDER BY files.account_id, files.business_date, files.dialect
