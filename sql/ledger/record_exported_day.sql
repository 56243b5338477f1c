-- Purpose:     the open day's files show the first so many changes of its records.
-- Parameters:  account_id, business_date, changes, now.   Grain: account_id, business_date.   Locks: the row.
-- Idempotent:  yes.
UPDATE days SET exported_changes = %(changes)s, exported_at = %(now)s
WHERE account_id = %(account_id)s AND business_date = %(business_date)s AND state = 'open'
