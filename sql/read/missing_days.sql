-- Purpose:     business dates of which an active account's day should be whole and is not, because it was not collected or
--              because a window of it failed since; those of an account begin with the day before it became known.
-- Parameters:  account_ids (array), first_date, last_date, time_zone (the operator's).
-- Grain:       account_id, business_date.   Locks: none.
SELECT
    due.account_id,
    due.business_date,
    EXISTS (
        SELECT 1
        FROM windows
        WHERE windows.account_id = due.account_id AND windows.business_date = due.business_date
    ) AS attempted,
    failed.error_code
FROM (
    SELECT
        accounts.account_id,
        generate_series(
            greatest(%(first_date)s::date, (accounts.added_at AT TIME ZONE %(time_zone)s)::date - 1),
            %(last_date)s::date,
            '1 day'
        )::date AS business_date
    FROM accounts
    WHERE accounts.account_id = any(%(account_ids)s) AND accounts.active
) AS due
LEFT JOIN days ON days.account_id = due.account_id AND days.business_date = due.business_date
LEFT JOIN (
    SELECT
        account_id,
        business_date,
        min(error_code) AS error_code
    FROM windows
    WHERE account_id = any(%(account_ids)s) AND state = 'failed'
    GROUP BY account_id, business_date
) AS failed
    ON failed.account_id = due.account_id AND failed.business_date = due.business_date
WHERE days.collected_at IS NULL OR failed.account_id IS NOT NULL
ORDER BY due.business_date, due.account_id
