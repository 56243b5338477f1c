-- Purpose:     ends a token; those bought with it end with it.
-- Parameters:  token_id, now.   Grain: account_id, token_id.   Locks: the row.   Idempotent: yes.
UPDATE api_tokens
SET revoked_at = %(now)s
WHERE token_id = %(token_id)s AND revoked_at IS NULL
