-- Purpose:     sealed days before a date whose files show all their changes.
-- Parameters:  account_id, before (date).   Grain: business_date.   Locks: none.
SELECT business_date
FROM days
WHERE
    account_id = %(account_id)s
    AND business_date < %(before)s
    AND state <> 'open'
    AND exported_changes >= changes
ORDER BY business_date
