-- Purpose:     takes an Idempotency-Key for a request: a new one, a forgotten one, or one whose holder died.
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
