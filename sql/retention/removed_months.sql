-- Purpose:     months of an account whose records were removed: nothing is loaded into them again.
-- Parameters:  account_id.   Grain: month (its first day).   Locks: none.
SELECT month
FROM removed_months
WHERE account_id = %(account_id)s
ORDER BY month
