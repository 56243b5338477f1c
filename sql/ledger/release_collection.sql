-- Purpose:     the holder has finished, well or not.
-- Parameters:  account_id, business_date, fence.   Grain: account_id, business_date.   Locks: the row.   Idempotent: yes.
UPDATE collections SET leased_until = '-infinity'
WHERE account_id = %(account_id)s AND business_date = %(business_date)s AND fence = %(fence)s
