-- Purpose:     remember which dialect the switch speaks for an account.
-- Parameters:  account_id, dialect.   Grain: account_id.   Locks: the row.   Idempotent: yes.
UPDATE accounts SET dialect = %(dialect)s
WHERE account_id = %(account_id)s AND dialect IS DISTINCT FROM %(dialect)s
