-- Name:        stored_response
-- Purpose:     stored response to a request with an Idempotency-Key, and its state.
-- Parameters:  account_id, key_digest.   Grain: account_id, key_digest.   Locks: none.
SELECT
    fingerprint,
    state,
    status,
    answer
FROM api_answers
WHERE account_id = %(account_id)s AND key_digest = %(key_digest)s

-- Name:        store_response
-- Purpose:     store the response to a request with an Idempotency-Key.
-- Parameters:  account_id, key_digest, status, answer.   Grain: account_id, key_digest.   Locks: the row.
-- Idempotent:  yes.
UPDATE api_answers
SET
    state = 'done',
    status = %(status)s,
    answer = %(answer)s
WHERE account_id = %(account_id)s AND key_digest = %(key_digest)s

-- Name:        release_key
-- Purpose:     release an Idempotency-Key after its request failed.
-- Parameters:  account_id, key_digest.   Grain: account_id, key_digest.   Locks: the row.   Idempotent: yes.
DELETE FROM api_answers
WHERE account_id = %(account_id)s AND key_digest = %(key_digest)s AND state = 'working'

-- Name:        claim_key
-- Purpose:     claim an Idempotency-Key for a request: a new key, an expired one, or one whose holder is dead.
-- Parameters:  account_id, key_digest, fingerprint, now, forgotten, died.
-- Grain:       account_id, key_digest.   Locks: the row.   Idempotent: no, one of several gets it.
INSERT INTO api_answers AS present (account_id, key_digest, fingerprint, state, asked_at)
VALUES (%(account_id)s, %(key_digest)s, %(fingerprint)s, 'working', %(now)s)
ON CONFLICT (account_id, key_digest) DO UPDATE
    SET
        fingerprint = excluded.fingerprint,
        state = excluded.state,
        status = NULL,
        answer = NULL,
        asked_at = excluded.asked_at
    WHERE present.asked_at < %(forgotten)s OR (present.state = 'working' AND present.asked_at < %(died)s)
