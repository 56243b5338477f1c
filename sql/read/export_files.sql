-- Purpose:     files of a version of a day.
-- Parameters:  account_id, business_date, version.   Grain: dialect.   Locks: none.
SELECT
    account_id,
    business_date,
    version,
    dialect,
    path,
    sha256,
    content_sha256,
    bytes AS size,
    row_count AS rows,
    manifest
FROM export_files
WHERE account_id = %(account_id)s AND business_date = %(business_date)s AND version = %(version)s
ORDER BY dialect
