-- Purpose:     keep a day from being sealed while its file is written; loads of the day are not kept waiting.
-- Parameters:  account_id, business_date.   Grain: one row.   Locks: the row against sealing, until the transaction ends.
SELECT state
FROM days
WHERE account_id = %(account_id)s AND business_date = %(business_date)s
FOR KEY SHARE
