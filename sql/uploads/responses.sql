-- Name:        ensure_key
-- Purpose:     create the row to lock for an Idempotency-Key if it is missing; a new row has no holder.
-- Parameters:  account_id, key_digest, fingerprint, now.   Grain: account_id, key_digest.   Locks: the row.
-- Idempotent:  yes.
INSERT INTO api_answers (account_id, key_digest, fingerprint, state, asked_at)
VALUES (%(account_id)s, %(key_digest)s, %(fingerprint)s, 'working', %(now)s)
ON CONFLICT (account_id, key_digest) DO NOTHING

-- Name:        lock_key
-- Purpose:     lock an Idempotency-Key; its holder, its state and its stored response.
-- Parameters:  account_id, key_digest.   Grain: account_id, key_digest.   Locks: the row, until the end of the
--              transaction.
SELECT
    fingerprint,
    state,
    status,
    answer,
    asked_at,
    holder_pid,
    holder_started
FROM api_answers
WHERE account_id = %(account_id)s AND key_digest = %(key_digest)s
FOR UPDATE

-- Name:        claim_key
-- Purpose:     assign an Idempotency-Key to a request; the new claim invalidates all earlier ones.
-- Parameters:  account_id, key_digest, fingerprint, now, claim_id, holder_pid, holder_started.
-- Grain:       account_id, key_digest.   Locks: the row; the caller holds it.   Idempotent: yes.
UPDATE api_answers
SET
    fingerprint = %(fingerprint)s,
    state = 'working',
    status = NULL,
    answer = NULL,
    asked_at = %(now)s,
    claim_id = %(claim_id)s,
    holder_pid = %(holder_pid)s,
    holder_started = %(holder_started)s
WHERE account_id = %(account_id)s AND key_digest = %(key_digest)s

-- Name:        store_response
-- Purpose:     store the response to the request that holds an Idempotency-Key; changes no row if another request
--              has claimed the key.
-- Parameters:  account_id, key_digest, claim_id, status, answer.   Grain: account_id, key_digest.   Locks: the row.
-- Idempotent:  yes.
UPDATE api_answers
SET
    state = 'done',
    status = %(status)s,
    answer = %(answer)s
WHERE
    account_id = %(account_id)s
    AND key_digest = %(key_digest)s
    AND claim_id = %(claim_id)s
    AND state = 'working'

-- Name:        release_key
-- Purpose:     release an Idempotency-Key after its request failed; changes no row if another request has claimed it.
-- Parameters:  account_id, key_digest, claim_id.   Grain: account_id, key_digest.   Locks: the row.   Idempotent: yes.
DELETE FROM api_answers
WHERE
    account_id = %(account_id)s
    AND key_digest = %(key_digest)s
    AND claim_id = %(claim_id)s
    AND state = 'working'
