-- Purpose:     who has had accounts' days: how often they were taken, and whether somebody has them or gave them back.
-- Parameters:  account_ids (array), business_date.   Grain: account_id.   Locks: none.
SELECT
    account_id,
    fence,
    leased_until = '-infinity' AS given_back,
    EXISTS (
        SELECT 1
        FROM windows
        WHERE
            windows.account_id = collections.account_id
            AND windows.business_date = collections.business_date
            AND windows.state = 'failed'
    ) AS failed
FROM collections
WHERE account_id = any(%(account_ids)s) AND business_date = %(business_date)s
