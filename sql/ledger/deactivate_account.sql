-- Purpose:     end the collection of an account.
-- Parameters:  account_id.   Grain: account_id.   Locks: the row.   Idempotent: yes.
UPDATE accounts SET active = FALSE
WHERE account_id = %(account_id)s
