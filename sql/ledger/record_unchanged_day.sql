-- Purpose:     a sealed day's late changes have undone each other: its file shows them all.
-- Parameters:  account_id, business_date, changes.   Grain: account_id, business_date.   Locks: the row.
-- Idempotent:  yes.
UPDATE days SET exported_changes = %(changes)s
WHERE account_id = %(account_id)s AND business_date = %(business_date)s
