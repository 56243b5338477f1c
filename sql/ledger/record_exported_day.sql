-- Purpose:     the day's file shows the first so many changes of its records.
-- Parameters:  account_id, business_date, changes, now.   Grain: account_id, business_date.   Locks: the row.
-- Idempotent:  yes.
INSERT INTO days AS day (account_id, business_date, state, changes, exported_changes, exported_at)
VALUES (%(account_id)s, %(business_date)s, 'open', %(changes)s, %(changes)s, %(now)s)
ON CONFLICT (account_id, business_date) DO UPDATE SET
    exported_changes = excluded.exported_changes,
    exported_at = excluded.exported_at
