-- Purpose:     the accounts, or one of them, with the zones in which they were before.
-- Parameters:  account_id: null for all.   Grain: account_id.   Locks: none.
SELECT
    accounts.account_id,
    accounts.name,
    accounts.parent_id,
    accounts.time_zone,
    accounts.country_code,
    accounts.dialect,
    accounts.dialect_seen_at,
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
WHERE %(account_id)s::text IS NULL OR accounts.account_id = %(account_id)s
ORDER BY accounts.account_id
