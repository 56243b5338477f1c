-- Purpose:     a landed window has been merged.
-- Parameters:  as named.   Grain: account_id, landing_path.   Locks: the row.   Idempotent: yes.
UPDATE windows SET state = 'loaded', batch_id = %(batch_id)s
WHERE account_id = %(account_id)s AND landing_path = %(source)s
