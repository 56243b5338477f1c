-- Purpose:     tokens that were made by hand.   Parameters: none.   Grain: account_id, token_id.   Locks: none.
SELECT
    account_id,
    token_id,
    scope,
    label,
    created_at,
    expires_at,
    revoked_at
FROM api_tokens
WHERE parent_token_id IS NULL
ORDER BY account_id, created_at, token_id
