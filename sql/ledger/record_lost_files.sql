-- Purpose:     sealed files that nothing can bring back, of a day that was restated because of it.
-- Parameters:  account_id, business_date, version, now.   Grain: account_id, business_date, version, dialect.
-- Locks:       the rows.   Idempotent: yes.
UPDATE export_files SET lost_at = %(now)s
WHERE
    account_id = %(account_id)s
    AND business_date = %(business_date)s
    AND version = %(version)s
    AND fault IS NOT NULL
    AND lost_at IS NULL
