-- Purpose:     keeps the answer to a request with an Idempotency-Key.
-- Parameters:  account_id, key_digest, status, answer.   Grain: account_id, key_digest.   Locks: the row.
-- Idempotent:  yes.
UPDATE api_answers
SET
    state = 'done',
    status = %(status)s,
    answer = %(answer)s
WHERE account_id = %(account_id)s AND key_digest = %(key_digest)s
