-- Purpose:     a new token of the API; only its hash is kept.
-- Parameters:  account_id, token_id, parent_token_id, digest, scope, label, now, expires_at.
-- Grain:       account_id, token_id.   Locks: none.   Idempotent: no.
INSERT INTO api_tokens (account_id, token_id, parent_token_id, digest, scope, label, created_at, expires_at)
VALUES (
    %(account_id)s, %(token_id)s, %(parent_token_id)s, %(digest)s, %(scope)s, %(label)s, %(now)s, %(expires_at)s
)
