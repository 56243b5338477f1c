-- Purpose:     change an account's name and parent, which the switch decides.
-- Parameters:  as named.   Grain: account_id.   Locks: the row.   Idempotent: yes.
UPDATE accounts SET
    name = %(name)s,
    parent_id = %(parent_id)s
WHERE account_id = %(account_id)s
