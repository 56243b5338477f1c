-- Purpose:     gives an Idempotency-Key back after its request failed.
-- Parameters:  account_id, key_digest.   Grain: account_id, key_digest.   Locks: the row.   Idempotent: yes.
DELETE FROM api_answers
WHERE account_id = %(account_id)s AND key_digest = %(key_digest)s AND state = 'working'
