-- Purpose:     sealed files that a check found wrong and that nobody has repaired or given up.
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
WHERE files.fault IS NOT NULL AND files.lost_at IS NULL
ORDER BY files.account_id, files.business_date, files.version, files.dialect
