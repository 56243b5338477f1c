-- Purpose:     make sure that there is a row to lock for an account's day.
-- Parameters:  account_id, business_date.   Grain: account_id, business_date.   Locks: the row.   Idempotent: yes.
INSERT INTO days (account_id, business_date, state, changes, exported_changes)
VALUES (%(account_id)s, %(business_date)s, 'open', 0, 0)
ON CONFLICT (account_id, business_date) DO NOTHING
