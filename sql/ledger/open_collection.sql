-- Purpose:     make sure that there is a row to lock for an account's day; nobody holds a new one.
-- Parameters:  account_id, business_date.   Grain: account_id, business_date.   Locks: the row.   Idempotent: yes.
INSERT INTO collections (account_id, business_date, fence, leased_until)
VALUES (%(account_id)s, %(business_date)s, 0, '-infinity')
ON CONFLICT (account_id, business_date) DO NOTHING
