-- Purpose:     a window was read again and has the rows that it had; a failed attempt in between is made good.
-- Parameters:  account_id, business_date, starts_at, ends_at, now.   Grain: account_id, starts_at, ends_at,
--              business_date.   Locks: the row.   Idempotent: yes.
UPDATE windows SET
    state = CASE WHEN batch_id IS NULL THEN 'landed' ELSE 'loaded' END,
    error_code = NULL,
    error_message = NULL,
    attempted_at = %(now)s
WHERE
    account_id = %(account_id)s
    AND business_date = %(business_date)s
    AND starts_at = %(starts_at)s
    AND ends_at = %(ends_at)s
    AND landing_path IS NOT NULL
