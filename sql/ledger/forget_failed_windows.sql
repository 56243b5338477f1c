-- Purpose:     failed attempts are made good by a window that was landed later and covers them.
-- Parameters:  account_id, business_date, starts_at, ends_at.   Grain: any number of rows.   Locks: those rows.
-- Idempotent:  yes.
DELETE FROM windows
WHERE
    account_id = %(account_id)s
    AND business_date = %(business_date)s
    AND state = 'failed'
    AND landing_path IS NULL
    AND starts_at >= %(starts_at)s
    AND ends_at <= %(ends_at)s
