-- Purpose:     daily files that were written.
-- Parameters:  account_id, first_date, last_date.   Grain: business_date, version, dialect.   Locks: none.
SELECT
    business_date,
    version,
    dialect,
    path,
    sha256,
    bytes,
    row_count,
    written_at,
    manifest
FROM export_files
WHERE account_id = %(account_id)s AND business_date BETWEEN %(first_date)s AND %(last_date)s
ORDER BY business_date, version, dialect
