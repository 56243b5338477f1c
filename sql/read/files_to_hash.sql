-- Purpose:     announced files of sealed days, the longest unchecked first.
-- Parameters:  none.   Grain: account_id, business_date, version, dialect.   Locks: none.
SELECT
    files.account_id,
    files.business_date,
    files.version,
    files.version = days.version AS newest,
    files.dialect,
    files.path,
    files.sha256,
    files.bytes AS size,
    octet_length(files.manifest) AS manifest_size,
    files.fault,
    files.fault_since,
    files.hashed_at
FROM export_files AS files
INNER JOIN days ON days.account_id = files.account_id AND days.business_date = files.business_date
WHERE
    files.manifest IS NOT NULL
    AND files.lost_at IS NULL
    AND (days.published_at IS NOT NULL OR files.version < days.version)
ORDER BY
    coalesce(files.hashed_at, files.written_at), files.account_id, files.business_date, files.version, files.dialect
