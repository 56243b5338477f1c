-- Purpose:     what is known of a request with an Idempotency-Key.
-- Parameters:  account_id, key_digest.   Grain: account_id, key_digest.   Locks: none.
SELECT
    fingerprint,
    state,
    status,
    answer
FROM api_answers
WHERE account_id = %(account_id)s AND key_digest = %(key_digest)s
