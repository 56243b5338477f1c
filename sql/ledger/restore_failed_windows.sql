-- Purpose:     windows whose last attempt failed and whose earlier pages are on disk: a window that was landed later covers
--              them, so their failure is made good.
-- Parameters:  account_id, business_date, starts_at, ends_at.   Grain: any number of rows.   Locks: those rows.
-- Idempotent:  yes.
UPDATE windows SET
    state = CASE WHEN batch_id IS NULL THEN 'landed' ELSE 'loaded' END,
    error_code = NULL,
    error_message = NULL
WHERE
    account_id = %(account_id)s
    AND business_date = %(business_date)s
    AND state = 'failed'
    AND landing_path IS NOT NULL
    AND starts_at >= %(starts_at)s
    AND ends_at <= %(ends_at)s
