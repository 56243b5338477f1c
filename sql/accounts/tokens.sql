-- Name:        add_token
-- Purpose:     add an API token; only its hash is stored.
-- Parameters:  account_id, token_id, parent_token_id, user_id, digest, scope, label, now, expires_at.
-- Grain:       account_id, token_id.   Locks: none.   Idempotent: no.
INSERT INTO api_tokens (
    account_id, token_id, parent_token_id, user_id, digest, scope, label, created_at, expires_at
)
VALUES (
    %(account_id)s,
    %(token_id)s,
    %(parent_token_id)s,
    %(user_id)s,
    %(digest)s,
    %(scope)s,
    %(label)s,
    %(now)s,
    %(expires_at)s
)

-- Name:        cursor_secret
-- Purpose:     the key that signs the cursors of the API.   Parameters: none.   Grain: one row.   Locks: none.
SELECT secret
FROM api_secrets
WHERE account_id = '' AND name = 'cursors'

-- Name:        forget_expired_tokens
-- Purpose:     delete expired tokens that were requested with an API key or a password.
-- Parameters:  now.   Grain: account_id, token_id.   Locks: the rows.   Idempotent: yes.
DELETE FROM api_tokens
WHERE (parent_token_id IS NOT NULL OR user_id IS NOT NULL) AND expires_at < %(now)s

-- Name:        revoke_token
-- Purpose:     revoke a token; tokens that were requested with it become invalid too.
-- Parameters:  token_id, now.   Grain: account_id, token_id.   Locks: the row.   Idempotent: yes.
UPDATE api_tokens
SET revoked_at = %(now)s
WHERE token_id = %(token_id)s AND revoked_at IS NULL

-- Name:        revoke_user_tokens
-- Purpose:     revoke the tokens that a user requested with a password.
-- Parameters:  user_id, now.   Grain: account_id, token_id.   Locks: the rows.   Idempotent: yes.
UPDATE api_tokens
SET revoked_at = %(now)s
WHERE user_id = %(user_id)s AND revoked_at IS NULL

-- Name:        tokens
-- Purpose:     tokens that an operator created.   Parameters: none.   Grain: account_id, token_id.   Locks: none.
SELECT
    account_id,
    token_id,
    scope,
    label,
    created_at,
    expires_at,
    revoked_at,
    last_used_at
FROM api_tokens
WHERE parent_token_id IS NULL AND user_id IS NULL
ORDER BY account_id, created_at, token_id

-- Name:        record_use_of_tokens
-- Purpose:     record when tokens were used last; the use of a requested token is that of its key too.
-- Parameters:  token_ids (array), now.   Grain: account_id, token_id.   Locks: the rows, in one order.   Idempotent: yes.
UPDATE api_tokens
SET last_used_at = %(now)s
WHERE
    token_id IN (
        SELECT used.token_id
        FROM api_tokens AS used
        WHERE
            used.token_id = any(%(token_ids)s)
            OR used.token_id IN (
                SELECT requested.parent_token_id
                FROM api_tokens AS requested
                WHERE requested.token_id = any(%(token_ids)s)
            )
        ORDER BY used.token_id
        FOR UPDATE
    )

-- Name:        shorten_token
-- Purpose:     let a token expire earlier, as when another one takes its place.
-- Parameters:  token_id, expires_at.   Grain: account_id, token_id.   Locks: the row.   Idempotent: yes.
UPDATE api_tokens
SET expires_at = least(expires_at, %(expires_at)s)
WHERE token_id = %(token_id)s AND revoked_at IS NULL

-- Name:        user_of_token
-- Purpose:     the user who requested a token with a password; null for other tokens.
-- Parameters:  account_id, token_id.   Grain: one row.   Locks: none.
SELECT user_id
FROM api_tokens
WHERE account_id = %(account_id)s AND token_id = %(token_id)s
