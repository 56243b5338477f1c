-- Purpose:     records of earlier days that have come in or changed since an instant.
-- Parameters:  account_ids (array), business_dates (array), since.   Grain: one row.   Locks: none.
SELECT count(*) AS row_count
FROM cdr
WHERE account_id = any(%(account_ids)s) AND business_date = any(%(business_dates)s) AND changed_at >= %(since)s
