-- Purpose:     the accounts, oldest name order.   Parameters: none.   Grain: account_id.   Locks: none.
SELECT
    account_id,
    name,
    parent_id,
    time_zone,
    country_code,
    dialect,
    active
FROM accounts
ORDER BY account_id
