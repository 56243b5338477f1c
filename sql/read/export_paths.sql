-- Purpose:     daily files on record, wherever they are on disk.
-- Parameters:  none.   Grain: account_id, business_date, version, dialect.   Locks: none.
SELECT path
FROM export_files
WHERE lost_at IS NULL
ORDER BY account_id, business_date, version, dialect
