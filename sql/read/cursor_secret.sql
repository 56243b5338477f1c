-- Purpose:     the key that signs the cursors of the API.   Parameters: none.   Grain: one row.   Locks: none.
SELECT secret
FROM api_secrets
WHERE account_id = '' AND name = 'cursors'
