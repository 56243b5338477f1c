-- Purpose:     the manifests of a sealed day's version are in place.
-- Parameters:  account_id, business_date, version, now.   Grain: account_id, business_date.   Locks: the row.
-- Idempotent:  yes.
UPDATE days SET published_at = %(now)s
WHERE account_id = %(account_id)s AND business_date = %(business_date)s AND version = %(version)s
