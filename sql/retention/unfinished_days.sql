-- Purpose:     days of a month that are open, or sealed with changes that their files do not show.
-- Parameters:  account_id, first_day, end_day (the month's and the next one's).   Grain: business_date.   Locks: none.
SELECT business_date
FROM days
WHERE
    account_id = %(account_id)s
    AND business_date >= %(first_day)s
    AND business_date < %(end_day)s
    AND (state = 'open' OR exported_changes < changes)
ORDER BY business_date
