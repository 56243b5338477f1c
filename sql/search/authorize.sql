-- Purpose:     the token of a request, and the account it speaks of where that lies in the token's subtree.
-- Parameters:  digest; account_id: null when the request names none.
-- Grain:       at most one row; target_id is null outside the subtree.   Locks: none.
WITH RECURSIVE token AS (
    SELECT
        account_id,
        token_id,
        parent_token_id,
        digest,
        scope,
        label,
        created_at,
        expires_at,
        revoked_at
    FROM api_tokens
    WHERE digest = %(digest)s
),

above AS (
    SELECT
        accounts.account_id,
        accounts.parent_id,
        1 AS depth
    FROM accounts
    WHERE accounts.account_id = %(account_id)s
    UNION ALL
    SELECT
        accounts.account_id,
        accounts.parent_id,
        above.depth + 1 AS depth
    FROM above
    INNER JOIN accounts ON above.parent_id = accounts.account_id
    WHERE above.depth < 64
)

SELECT
    token.account_id,
    token.token_id,
    token.digest,
    token.scope,
    token.label,
    token.created_at,
    token.expires_at,
    coalesce(
        token.revoked_at,
        (
            SELECT parent.revoked_at
            FROM api_tokens AS parent
            WHERE parent.account_id = token.account_id AND parent.token_id = token.parent_token_id
        )
    ) AS revoked_at,
    target.account_id AS target_id,
    target.name AS target_name,
    target.parent_id AS target_parent_id,
    target.time_zone AS target_time_zone,
    target.country_code AS target_country_code
FROM token
LEFT JOIN accounts AS target
    ON
        target.account_id = %(account_id)s
        AND token.account_id IN (SELECT above.account_id FROM above)
