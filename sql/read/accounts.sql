-- Purpose:     the accounts, oldest name order, with the zones in which they were before.   Parameters: none.
-- Grain:       account_id.   Locks: none.
SELECT
    accounts.account_id,
    accounts.name,
    accounts.parent_id,
    accounts.time_zone,
    accounts.country_code,
    accounts.dialect,
    accounts.active,
    coalesce(before.zones, ARRAY[]::text []) AS zones,
    coalesce(before.dates, ARRAY[]::date []) AS dates
FROM accounts
LEFT JOIN (
    SELECT
        account_id,
        array_agg(time_zone ORDER BY until) AS zones,
        array_agg(until ORDER BY until) AS dates
    FROM account_zones
    GROUP BY account_id
) AS before
    ON before.account_id = accounts.account_id
ORDER BY accounts.account_id
