-- Purpose:     find out anew which dialect the switch speaks for accounts; when it was last seen stays known.
-- Parameters:  account_ids (array).   Grain: account_id.   Locks: the rows.   Idempotent: yes.
UPDATE accounts SET dialect = NULL
WHERE account_id = any(%(account_ids)s)
