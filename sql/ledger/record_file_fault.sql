-- Purpose:     what a check found wrong with a sealed file, and since when; null when nothing is.
-- Parameters:  account_id, business_date, version, dialect, fault, now.
-- Grain:       account_id, business_date, version, dialect.   Locks: the row.   Idempotent: yes.
UPDATE export_files SET
    fault = %(fault)s,
    fault_since = CASE WHEN %(fault)s::text IS NULL THEN NULL ELSE coalesce(fault_since, %(now)s) END
WHERE
    account_id = %(account_id)s
    AND business_date = %(business_date)s
    AND version = %(version)s
    AND dialect = %(dialect)s
    AND fault IS DISTINCT FROM %(fault)s
