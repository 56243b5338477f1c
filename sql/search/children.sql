-- Purpose:     accounts below one, in the order of their ids.
-- Parameters:  account_id; deep: all of them instead of the next level only; after: id of the last one seen; row_limit.
-- Grain:       account_id.   Locks: none.
WITH RECURSIVE below AS (
    SELECT
        accounts.*,
        ARRAY[accounts.parent_id] AS tree
    FROM accounts
    WHERE accounts.parent_id = %(account_id)s
    UNION ALL
    SELECT
        accounts.*,
        below.tree || accounts.parent_id AS tree
    FROM below
    INNER JOIN accounts ON below.account_id = accounts.parent_id
    WHERE %(deep)s AND cardinality(below.tree) < 64
)

SELECT
    account_id,
    name,
    parent_id,
    time_zone,
    tree
FROM below
WHERE account_id > %(after)s
ORDER BY account_id
LIMIT %(row_limit)s
