-- Purpose:     the newest day of an account that holds records, was collected or is final.
-- Parameters:  account_id.   Grain: one row; null when there is none.   Locks: none.
SELECT max(business_date) AS business_date
FROM days
WHERE account_id = %(account_id)s AND (changes > 0 OR collected_at IS NOT NULL OR state <> 'open')
