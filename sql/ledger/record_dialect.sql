-- Purpose:     remember which dialect the switch speaks for an account, and when it was last seen to do so.
-- Parameters:  account_id, dialect, now.   Grain: account_id.   Locks: the row.   Idempotent: yes.
UPDATE accounts SET dialect = %(dialect)s, dialect_seen_at = %(now)s
WHERE account_id = %(account_id)s
