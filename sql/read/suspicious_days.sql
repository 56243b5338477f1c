-- Purpose:     days that were collected whole and have far fewer records than the same weekday usually has.
-- Parameters:  account_ids (array), first_date.   Grain: account_id, business_date.   Locks: none.
SELECT
    account_id,
    business_date,
    volume,
    usual_rows,
    collected_at AS since
FROM days
WHERE
    account_id = any(%(account_ids)s)
    AND business_date >= %(first_date)s
    AND volume IN ('thin', 'empty')
ORDER BY business_date, account_id
