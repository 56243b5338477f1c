-- Purpose:     deletes tokens that were bought with a key and have ended.
-- Parameters:  now.   Grain: account_id, token_id.   Locks: the rows.   Idempotent: yes.
DELETE FROM api_tokens
WHERE parent_token_id IS NOT NULL AND expires_at < %(now)s
