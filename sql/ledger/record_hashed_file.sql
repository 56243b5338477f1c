-- Purpose:     when the hash of a sealed file was last compared.
-- Parameters:  account_id, business_date, version, dialect, now.
-- Grain:       account_id, business_date, version, dialect.   Locks: the row.   Idempotent: yes.
UPDATE export_files SET hashed_at = %(now)s
WHERE
    account_id = %(account_id)s
    AND business_date = %(business_date)s
    AND version = %(version)s
    AND dialect = %(dialect)s
