-- Purpose:     the right to seal or restate a day; waits for others who have it, and for exports of the day.
-- Parameters:  account_id, business_date.   Grain: one row.   Locks: the row, until the end of the transaction.
SELECT state
FROM days
WHERE account_id = %(account_id)s AND business_date = %(business_date)s
FOR UPDATE
